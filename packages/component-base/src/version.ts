// The release that Skiff advertises: that of the models it serves, with our suffix.
export const GIT_VERSION = "v1.36.0+skiff";
/** As /version reports them, which kubectl compares with its own. */
export const MAJOR = "1";
export const MINOR = "36";

/** The commit that the bundles were made of, as scripts/build.ts puts it in; sources that run as they are know none. */
export const GIT_COMMIT = "0000000000000000000000000000000000000000";
export const GIT_TREE_STATE = "archive";
export const BUILD_DATE = "1970-01-01T00:00:00Z";
