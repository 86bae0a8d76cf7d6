// SPDX-License-Identifier: Apache-2.0

/** What a text of JSON stands for; undefined, which is no JSON, where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
