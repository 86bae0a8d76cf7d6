// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Question } from '../../proto/gen/cidecar/v1/sidecar.js';
import { SidecarQuestions } from './sidecar-questions.js';

let questions: SidecarQuestions;
let sent: Question[];

beforeEach(() => {
  vi.useFakeTimers();
  questions = new SidecarQuestions();
  sent = [];
});
afterEach(() => {
  questions.lost();
  vi.useRealTimers();
});

/** What becomes of a question. */
function ask(): Promise<unknown> {
  const about = { $case: 'own', value: new Uint8Array(8) } as const;
  const answer = questions.ask(about, (question) => sent.push(question));
  return answer.catch((error: Error) => error.message);
}

it('counts a question until it is answered, also where nobody waits any more', async () => {
  questions.limit(2);
  const late = [ask(), ask()];
  vi.advanceTimersByTime(2_000);
  expect(await Promise.all(late)).toEqual(Array(2).fill('no answer within 2000 ms'));
  expect(await ask()).toMatch(/^2 questions wait/);
  expect(sent).toHaveLength(2);
  questions.answered({ number: 1, result: { $case: 'own', value: true } });
  const third = ask();
  questions.answered({ number: 3, result: { $case: 'own', value: true } });
  expect(await third).toEqual({ $case: 'own', value: true });
});

it('has as many open as a sidecar takes that does not say how many', async () => {
  questions.limit(0);
  const open = Array.from({ length: 64 }, ask);
  expect(await ask()).toMatch(/^64 questions wait/);
  questions.lost();
  expect((await Promise.all(open))[0]).toMatch(/was lost/);
  void ask();
  expect(sent).toHaveLength(65);
});
