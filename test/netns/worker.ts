// SPDX-License-Identifier: Apache-2.0

type Request = { readonly id: number; readonly method: string; readonly parameters: unknown };
export type Methods = Readonly<Record<string, (parameters: never) => unknown>>;

/**
 * The other end of a WorkerProcess: answers its calls, and ends when the parent is gone, so that
 * nothing outlives a killed run.
 */
export function serveParent(methods: Methods): void {
  process.on('message', async (request: Request) => {
    const method = methods[request.method];
    try {
      if (method === undefined) throw new Error(`no method ${request.method}`);
      const result = await method(request.parameters as never);
      process.send?.({ id: request.id, result });
    } catch (error) {
      process.send?.({
        id: request.id,
        error: error instanceof Error ? error.message : `${error}`,
      });
    }
  });
  process.on('disconnect', () => process.exit(0));
  // Ctrl-C reaches the whole process group, but the parent decides in which order processes end.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => process.exit(0));
  notifyParent('ready', null);
}

export function notifyParent(event: string, data: unknown): void {
  process.send?.({ event, data });
}
