// For tests: certificates that were made once, good for a hundred years.

/** Of an authority. */
export const ROOT_ONE = certificate(
  "MIIBPDCB76ADAgECAhRYVPHifa8zOtXHByh2Jb5Yue1xljAFBgMrZXAwEzERMA8G",
  "A1UEAwwIcm9vdCBvbmUwIBcNMjYxMTIwMTcyNDE5WhgPMjEyNjEwMjcxNzI0MTla",
  "MBMxETAPBgNVBAMMCHJvb3Qgb25lMCowBQYDK2VwAyEAR0BMgPm5Tbs+/9FRQoaE",
  "y5at1ZfFQBX7TCHAKb1kgpejUzBRMB0GA1UdDgQWBBSdkkwAIiWaW29N8UBSIAkm",
  "IGGo/TAfBgNVHSMEGDAWgBSdkkwAIiWaW29N8UBSIAkmIGGo/TAPBgNVHRMBAf8E",
  "BTADAQH/MAUGAytlcANBAJavU1MjoYQ8ZFf3zPnCwSzqHgD5+dWssAvYNCuW2Cxb",
  "zoqxU+H+7gR4Rs1o44MJU5Ji2yulGueVoIE+i9a/jQk=",
);

/** Of another. */
export const ROOT_TWO = certificate(
  "MIIBPDCB76ADAgECAhQ8h0/UwsZm1URISTbI8+jknXqNzzAFBgMrZXAwEzERMA8G",
  "A1UEAwwIcm9vdCB0d28wIBcNMjYxMTIwMTcyNDE5WhgPMjEyNjEwMjcxNzI0MTla",
  "MBMxETAPBgNVBAMMCHJvb3QgdHdvMCowBQYDK2VwAyEAjWUBD4uslFEn86jbonEa",
  "yyYjlX+lz8GoIm/zZQjXmz2jUzBRMB0GA1UdDgQWBBSkwEUO0NET3ZlGoVWNacak",
  "jg/57jAfBgNVHSMEGDAWgBSkwEUO0NET3ZlGoVWNacakjg/57jAPBgNVHRMBAf8E",
  "BTADAQH/MAUGAytlcANBAErC5gY0cTJokwxoZ3j0BRMmZCdO9+g8NkXDHuTtLHJe",
  "2dvio77YYE6wpC+z2Hp2+7/pxZk+bpiY5LdYjDeIbQk=",
);

/** Of nobody who may issue others. */
export const LEAF = certificate(
  "MIIBLjCB4aADAgECAhQ7foqyeNx+EjKlzebTNZySky1PAjAFBgMrZXAwDzENMAsG",
  "A1UEAwwEbGVhZjAgFw0yNjExMjAxNzI0MTlaGA8yMTI2MTAyNzE3MjQxOVowDzEN",
  "MAsGA1UEAwwEbGVhZjAqMAUGAytlcAMhAIa3ySLisVryYKrCjLl/nLljX3912B6M",
  "Qd/y8da9SokNo00wSzAdBgNVHQ4EFgQUzf9Nctk1ENQb3QnWaiuKLF/VIV8wHwYD",
  "VR0jBBgwFoAUzf9Nctk1ENQb3QnWaiuKLF/VIV8wCQYDVR0TBAIwADAFBgMrZXAD",
  "QQBhAV9W/BP9ow650/QGcttB+yLJ7+9KhOZhvbJjvicNNMlsXX5y9e+eKqBQfncc",
  "wVNUf9A+m8/ayjLI/mHTfBUB",
);

function certificate(...lines: readonly string[]): string {
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}
