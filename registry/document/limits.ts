// SPDX-License-Identifier: Apache-2.0

/**
 * How large a document may be. A slip of a template, or a wrong file, must end in an error that
 * says so, and not in a daemon that reads for minutes or runs out of memory.
 */

/** Octets of a document: a million server IDs of 15 octets take 31 MB as one text. */
export const MAX_DOCUMENT_OCTETS = 32 * 1024 * 1024;

/**
 * Octets of a key file. It has 33; comments and the like are refused anyway, and what is longer
 * is a path to a wrong file.
 */
export const MAX_KEY_FILE_OCTETS = 4096;

/**
 * Pieces of YAML: scalars, indicators, line ends, runs of spaces. A server takes 30 to 40, an ID
 * in a list 3 to 5, so this is a hundred thousand servers, or a million IDs in flow lists. IDs
 * that are written as one text take next to none. Each costs a few hundred octets of memory
 * while the document is read.
 */
export const MAX_TOKENS = 4_000_000;

/** Values, each counted as often as aliases repeat it. */
export const MAX_VALUES = 2_000_000;

/** Characters of all values, each counted as often as aliases repeat it. */
export const MAX_CHARACTERS = MAX_DOCUMENT_OCTETS;

/** Server IDs. Balancers have been measured with a million. */
export const MAX_SERVER_IDS = 2_000_000;

/** Deeper than any document of ours by far, and no strain on a reader that recurses. */
export const MAX_DEPTH = 64;

/** Errors, and warnings, of which each is kept with its line; further ones are counted. */
export const MAX_FINDINGS = 1000;
