// VolumeAttachment: the wish that a driver attach a volume to a node, and how that went.

import type { VolumeAttachment, VolumeAttachmentSource, VolumeError } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { volumeAttachments } from "../resource-ref.ts";
import { immutableField } from "../validation/field-rules.ts";
import { isDns1123Subdomain } from "../validation/names.ts";
import { type FieldPath, forbiddenField, invalidAll, required, root, tooLong } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";
import { defaultVolumeSpec } from "./persistent-volume/defaults.ts";
import { validateVolumeSpec } from "./persistent-volume/validate.ts";
import { validateCsiDriverName } from "./volume-sources/validate-csi-driver-name.ts";

// Drivers' errors can be long, and are repeated with every attempt.
const MAX_MESSAGE = 1024;

/** Made by the attach-detach controller, fulfilled by the driver's external attacher. The wish itself is immutable. */
export const volumeAttachmentKind = defineKind<VolumeAttachment>({
  ref: volumeAttachments,
  otherVersions: [sameAs("v1beta1", "V1beta1VolumeAttachment", "v1.19", "v1.22")],
  hasStatus: true,
  hasGeneration: false,
  applyDefaults({ spec }) {
    // A whole volume's spec gets a whole volume's defaults.
    if (spec.source?.inlineVolumeSpec) defaultVolumeSpec(spec.source.inlineVolumeSpec);
  },
  prepareForCreate(attachment) {
    attachment.status = { attached: false };
  },
  validate: ({ spec, status }) => [
    ...validateCsiDriverName(spec.attacher, root("spec").child("attacher")),
    ...validateSource(spec.source ?? {}, root("spec").child("source")),
    ...invalidAll(root("spec").child("nodeName"), spec.nodeName, isDns1123Subdomain(spec.nodeName)),
    ...validateError(status?.attachError, root("status").child("attachError")),
    ...validateError(status?.detachError, root("status").child("detachError")),
  ],
  validateUpdate: (next, previous) => immutableField(next.spec, previous.spec, root("spec")),
  validateStatusUpdate: ({ status }) => [
    ...validateError(status?.attachError, root("status").child("attachError")),
    ...validateError(status?.detachError, root("status").child("detachError")),
  ],
  columns: [
    nameColumn,
    column("Attacher", ["VolumeAttachmentSpec", "attacher"], ({ spec }) => spec.attacher, { format: "name" }),
    column(
      "PV",
      ["VolumeAttachmentSource", "persistentVolumeName"],
      ({ spec }) => spec.source?.persistentVolumeName ?? "",
    ),
    column("Node", ["VolumeAttachmentSpec", "nodeName"], ({ spec }) => spec.nodeName),
    column("Attached", ["VolumeAttachmentStatus", "attached"], ({ status }) => status?.attached ?? false, {
      type: "boolean",
    }),
    ageColumn,
  ],
});

/** A PersistentVolume by name, or a whole spec for volumes that are in none. */
function validateSource(source: VolumeAttachmentSource, path: FieldPath): FieldError[] {
  const { persistentVolumeName: name, inlineVolumeSpec: inline } = source;
  if (inline && name !== undefined) {
    return [forbiddenField(path, "must specify exactly one of inlineVolumeSpec and persistentVolumeName")];
  }
  if (inline) return validateVolumeSpec(inline, path.child("inlineVolumeSpec"));
  if (name === undefined)
    return [required(path, "must specify exactly one of inlineVolumeSpec and persistentVolumeName")];
  const at = path.child("persistentVolumeName");
  const missing = name === "" ? [required(at, "must specify non empty persistentVolumeName")] : [];
  return [...missing, ...invalidAll(at, name, isDns1123Subdomain(name))];
}

/** What the driver said when it last failed. */
function validateError(error: VolumeError | undefined, path: FieldPath): FieldError[] {
  return (error?.message ?? "").length > MAX_MESSAGE ? [tooLong(path.child("message"), MAX_MESSAGE)] : [];
}
