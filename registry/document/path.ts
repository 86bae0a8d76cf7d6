// SPDX-License-Identifier: Apache-2.0

/** Where a value stands in a document: names of fields, and numbers for the items of a list. */
export type Path = readonly (string | number)[];
