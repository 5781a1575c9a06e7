// Block storage over the network: iSCSI targets and fibre channel.
import type { FieldError } from "../../errors.ts";
import { type FieldPath, invalidValue, required } from "../../validation/path.ts";
import { type Fields, type Owner, requireFields } from "./require-fields.ts";

// The three ways to name an iSCSI node (RFC 3720, 3980).
const IQN_RE = /^iqn\.\d{4}-\d{2}\.([a-z0-9.-]+)(:([^,;*&$|\s]+))?$/;
const EUI_RE = /^eui\.[a-z0-9A-F]{16}$/;
const NAA_RE = /^naa\.([a-z0-9A-F]{32}|[a-z0-9A-F]{16})$/;
const FORMS = [
  ["iqn", IQN_RE],
  ["eui", EUI_RE],
  ["naa", NAA_RE],
] as const;

const WRONG_FORM = "must be valid format";
const MAX_PORTAL_NAME = 64;

/** The initiator's name becomes part of a directory's, with the volume's and the portal's. */
export function isPortalNameTooLong(volume: string, { targetPortal, initiatorName }: Fields): boolean {
  return initiatorName !== undefined && `${volume}:${targetPortal ?? ""}`.length > MAX_PORTAL_NAME;
}

/** Upstream's detail, for pods and PersistentVolumes. */
export const PORTAL_NAME_TOO_LONG =
  "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";

/** A target is a portal, a name and a unit at it. */
export function validateIscsi(target: Fields, path: FieldPath, { persistentVolume }: Owner): FieldError[] {
  const { targetPortal, iqn, initiatorName } = target;
  const errors = requireFields(target, ["targetPortal"], path);
  if (persistentVolume !== undefined && isPortalNameTooLong(persistentVolume, target)) {
    errors.push(invalidValue(path.child("targetportal"), targetPortal ?? "", PORTAL_NAME_TOO_LONG));
  }
  const inPod = persistentVolume === undefined;
  if (iqn) errors.push(...validateName(iqn, inPod, path.child("iqn")));
  else errors.push(required(path.child("iqn")));
  errors.push(...validateLun(target, path));
  // CHAP needs a name and a password, which are in the Secret.
  if ((target.chapAuthDiscovery || target.chapAuthSession) && !target.secretRef) {
    errors.push(required(path.child("secretRef")));
  }
  if (persistentVolume !== undefined && target.secretRef) {
    errors.push(...requireFields(target.secretRef, ["name"], path.child("secretRef")));
  }
  // Spelt in lower case by upstream.
  if (initiatorName !== undefined) errors.push(...validateName(initiatorName, inPod, path.child("initiatorname")));
  return errors;
}

/** Upstream says more about what pods write. */
function validateName(name: unknown, inPod: boolean, path: FieldPath): FieldError[] {
  const text = String(name);
  const form = FORMS.find(([prefix]) => text.startsWith(prefix));
  if (form?.[1].test(text)) return [];
  const detail = !form && inPod ? `${WRONG_FORM} starting with iqn, eui, or naa` : WRONG_FORM;
  return [invalidValue(path, text, detail)];
}

function validateLun({ lun }: Fields, path: FieldPath): FieldError[] {
  if (typeof lun !== "number" || (lun >= 0 && lun <= 255)) return [];
  return [invalidValue(path.child("lun"), lun, "must be between 0 and 255, inclusive")];
}

/** By the target's names and a unit, or by the disk's own worldwide ids. */
export function validateFibreChannel(source: Fields, path: FieldPath): FieldError[] {
  const names = Array.isArray(source.targetWWNs) ? source.targetWWNs : [];
  const ids = Array.isArray(source.wwids) ? source.wwids : [];
  const at = path.child("targetWWNs");
  const errors: FieldError[] = [];
  if (!names.length && !ids.length) {
    errors.push(required(at, "must specify either targetWWNs or wwids, but not both"));
  }
  if (names.length && ids.length) {
    errors.push(invalidValue(at, names, "targetWWNs and wwids can not be specified simultaneously"));
  }
  if (!names.length) return errors;
  if (source.lun !== undefined) return [...errors, ...validateLun(source, path)];
  return [...errors, required(path.child("lun"), "lun is required if targetWWNs is specified")];
}
