// SPDX-License-Identifier: Apache-2.0
import { isAlias, isCollection, isMap, isNode, isPair, isScalar, type Node } from 'yaml';
import type { Findings } from './findings.js';
import { MAX_CHARACTERS, MAX_VALUES } from './limits.js';
import { ITEMS_PER_STEP, type Steps } from './steps.js';
import type { Nodes, YamlFault } from './yaml-nodes.js';

/** What an anchor stands for. */
interface Anchored {
  value: unknown;
  /** Undefined while what it marks is being read, where an alias of it would have no end. */
  size: { readonly values: number; readonly characters: number } | undefined;
}

/** A list or mapping that is being read. */
interface Frame {
  readonly items: readonly unknown[];
  next: number;
  /** Puts a value where it belongs; the key is that of the item in hand. */
  readonly put: (value: unknown, key: string) => void;
  readonly keys: Set<string> | undefined;
  readonly anchored: Anchored | undefined;
  readonly before: { readonly values: number; readonly characters: number };
}

/** Ends the reading, after an error of which there is one at most. */
class Refused extends Error {}

/**
 * The plain values of nodes: objects, lists, text, numbers. A mapping names each field once,
 * and a name is a scalar; 0 and "0" are one name. An alias stands for the value itself, so that
 * a list that is repeated is there once in memory. Takes time in proportion to the nodes, and
 * bounds what reads the values afterwards, which meets them once for every alias.
 *
 * @param errors receives what is wrong; the value is of use only where that is nothing
 */
export function* plainValuesOf(nodes: Nodes, errors: Findings<YamlFault>): Steps<unknown> {
  try {
    return yield* new Reader(nodes, errors).read();
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}

class Reader {
  readonly #nodes: Nodes;
  readonly #errors: Findings<YamlFault>;
  readonly #anchors = new Map<string, Anchored>();
  readonly #frames: Frame[] = [];
  #values = 0;
  #characters = 0;

  constructor(nodes: Nodes, errors: Findings<YamlFault>) {
    this.#nodes = nodes;
    this.#errors = errors;
  }

  *read(): Steps<unknown> {
    let root: unknown = null;
    this.#take(this.#nodes.root, '', (value) => {
      root = value;
    });
    let count = 0;
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      if (++count % ITEMS_PER_STEP === 0) yield;
      if (frame.next < frame.items.length) {
        const item = frame.items[frame.next];
        frame.next += 1;
        this.#takeItem(frame, item);
      } else {
        this.#frames.pop();
        if (frame.anchored !== undefined) {
          frame.anchored.size = {
            values: this.#values - frame.before.values,
            characters: this.#characters - frame.before.characters,
          };
        }
      }
    }
    return root;
  }

  #takeItem(frame: Frame, item: unknown): void {
    if (frame.keys === undefined || !isPair(item)) {
      this.#take(item, '', frame.put);
      return;
    }
    const key = this.#nameOf(item.key);
    if (frame.keys.has(key)) this.#complain('Map keys must be unique', item.key);
    frame.keys.add(key);
    this.#take(item.value, key, frame.put);
  }

  #take(node: unknown, key: string, put: Frame['put']): void {
    if (isAlias(node)) {
      const { value, size } = this.#find(node);
      if (size === undefined) {
        this.#complain(`The alias ${node.source} is within what it repeats`, node);
        throw new Refused();
      }
      this.#count(size.values, size.characters, node);
      put(value, key);
      return;
    }
    if (!isCollection(node)) {
      const value = isScalar(node) ? node.value : null;
      const size = { values: 1, characters: typeof value === 'string' ? value.length : 0 };
      this.#count(size.values, size.characters, node);
      if (isScalar(node) && node.anchor) this.#anchors.set(node.anchor, { value, size });
      put(value, key);
      return;
    }
    const before = { values: this.#values, characters: this.#characters };
    this.#count(1, 0, node);
    const items = this.#nodes.itemsOf(node);
    const list: unknown[] = [];
    const mapping: Record<string, unknown> = {};
    const isMapping = isMap(node);
    const value = isMapping ? mapping : list;
    const anchored = node.anchor ? { value, size: undefined } : undefined;
    if (node.anchor && anchored) this.#anchors.set(node.anchor, anchored);
    put(value, key);
    this.#frames.push({
      items,
      next: 0,
      put: isMapping ? (each, name) => setOwn(mapping, name, each) : (each) => list.push(each),
      keys: isMapping ? new Set() : undefined,
      anchored,
      before,
    });
  }

  /** The name of a field. */
  #nameOf(key: unknown): string {
    const value = isAlias(key) ? this.#find(key).value : isScalar(key) ? key.value : undefined;
    if (isScalar(key)) {
      const size = { values: 1, characters: String(value).length };
      this.#count(0, size.characters, key);
      if (key.anchor) this.#anchors.set(key.anchor, { value, size });
    }
    if (value === null) return '';
    if (key === null) return '';
    if (value === undefined || (typeof value === 'object' && !(value instanceof Date))) {
      this.#complain('The name of a field cannot be a list or a mapping', key);
      return '';
    }
    return String(value);
  }

  #find(alias: Node & { readonly source: string }): Anchored {
    const found = this.#anchors.get(alias.source);
    if (found !== undefined) return found;
    const { source } = alias;
    this.#complain(`Unresolved alias (the anchor must be set before the alias): ${source}`, alias);
    return { value: null, size: { values: 1, characters: 0 } };
  }

  #count(values: number, characters: number, node: unknown): void {
    this.#values += values;
    this.#characters += characters;
    if (this.#values > MAX_VALUES) {
      this.#complain(`has more than ${MAX_VALUES} values, with what aliases repeat`, node);
      throw new Refused();
    }
    if (this.#characters > MAX_CHARACTERS) {
      const most = `${MAX_CHARACTERS} characters`;
      this.#complain(`has texts of more than ${most}, with what aliases repeat`, node);
      throw new Refused();
    }
  }

  #complain(message: string, node: unknown): void {
    const offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
    this.#errors.add(() => ({ message, offset }));
  }
}

/** Also where the name is one that JavaScript gives a meaning, such as __proto__. */
function setOwn(mapping: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') mapping[name] = value;
  else {
    Object.defineProperty(mapping, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
}
