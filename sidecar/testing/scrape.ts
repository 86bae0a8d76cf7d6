// SPDX-License-Identifier: Apache-2.0
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** The text of one scrape. */
export class Scrape {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /**
   * The value of a sample by its name without the prefix and by all of its labels; 0 if missing.
   */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const wanted = `cidecar_sidecar_${name}${labelText(Object.entries(labels))}`;
    for (const line of this.text.split('\n')) {
      const [, sample = '', inside = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      const pairs = [...inside.matchAll(/(\w+)="([^"]*)"/g)].map(
        ([, key = '', text = '']): [string, string] => [key, text],
      );
      if (`${sample}${labelText(pairs)}` === wanted) return Number(value);
    }
    return 0;
  }
}

function labelText(labels: readonly [string, string][]): string {
  if (labels.length === 0) return '';
  return `{${labels
    .map(([key, value]) => `${key}="${value}"`)
    .sort()
    .join()}}`;
}

/** Reads /metrics over a unix socket. */
export function scrape(socketPath: string): Promise<Scrape> {
  return new Promise((resolve, reject) => {
    // A connection that is used again may be one that the sidecar is about to close as idle.
    const call = request({ socketPath, path: '/metrics', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve(new Scrape(text)));
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end();
  });
}

/** Scrapes until `wanted` is true. */
export async function scrapeUntil(
  socketPath: string,
  wanted: (metrics: Scrape) => boolean,
): Promise<Scrape> {
  for (;;) {
    const metrics = await scrape(socketPath);
    if (wanted(metrics)) return metrics;
    await sleep(20);
  }
}
