// The release that Skiff advertises: that of the models it serves, with our suffix.
export const GIT_VERSION = "v1.36.0+skiff";
/** As /version reports them, which kubectl compares with its own. */
export const MAJOR = "1";
export const MINOR = "36";
