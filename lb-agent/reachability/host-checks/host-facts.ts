// SPDX-License-Identifier: Apache-2.0
import { accessSync, constants, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { z } from 'zod';
import {
  type Capability,
  effectiveCapabilities,
  ifindex,
  interfaceFacts,
  isBpffs,
  kernelSupport,
} from '../../../bpf/index.js';
import { CidecarError } from '../../../core/index.js';
import { readNetconf, reversePathFilter } from '../netconf.js';
import { type Ip, readRoutes } from '../next-hops/ip.js';
import type { Ingress } from '../next-hops/resolve.js';
import type { HostFacts } from './preflight.js';

const NEEDED: readonly Capability[] = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON'];

const links = z.tuple([z.object({ flags: z.array(z.string()).default([]) })], z.unknown());

export interface FactsQuestion {
  readonly ingress: Ingress;
  readonly vips: readonly string[];
  /** ID of the program that an agent has attached by the same pins. */
  readonly ownProgram: number | undefined;
  readonly ip: Ip;
}

/** Asks this host. What it does not tell, such as /proc/sys to a hardened unit, is undefined. */
export async function readHostFacts(question: FactsQuestion): Promise<HostFacts> {
  const { ingress, vips, ip } = question;
  const { release, missing } = kernelSupport();
  const has = effectiveCapabilities();
  const all = has.has('CAP_SYS_ADMIN') ? ['CAP_NET_ADMIN' as const] : NEEDED;
  return {
    interface: ingress.name,
    native: ingress.native,
    release,
    missing,
    missingCapabilities: all.filter((name) => !has.has(name)),
    bpffsMounted: isBpffs('/sys/fs/bpf'),
    memoryLimit: memoryLimit(),
    memlock: memlock(),
    jit: settingOf('net/core/bpf_jit_enable', (text) => text !== '0'),
    missingPrograms: ['ip', 'flock'].filter((program) => !isInstalled(program)),
    cpus: availableParallelism(),
    link: await linkOf(question),
    vips: await typesOf(vips, ip),
    rpFilter: await rpFilterOf(ingress.name, ip),
    acceptLocal: settingOf(`net/ipv4/conf/${ingress.name}/accept_local`, (text) => text !== '0'),
  };
}

async function linkOf({ ingress, ownProgram, ip }: FactsQuestion): Promise<HostFacts['link']> {
  let index: number;
  try {
    index = ifindex(ingress.name);
  } catch (error) {
    if (error instanceof CidecarError && error.code === 'INTERFACE_UNKNOWN') return undefined;
    throw error;
  }
  const { mtu, driver, rxQueues, mostQueues, lro, gro, programs } = interfaceFacts(index);
  const found = await orUndefined(async () =>
    links.parse(JSON.parse(await ip(['-j', 'link', 'show', 'dev', ingress.name]))),
  );
  const up = found === undefined || found[0].flags.includes('UP');
  const others = programs.filter(({ id }) => id !== ownProgram);
  return { up, mtu, driver, rxQueues, mostQueues, lro, gro, others };
}

/** An address without a route is a blackhole too, as far as answers from it are concerned. */
async function typesOf(vips: readonly string[], ip: Ip): Promise<HostFacts['vips']> {
  const routes = vips.length === 0 ? undefined : await orUndefined(() => readRoutes(vips, ip));
  if (routes === undefined) return new Map();
  return new Map(
    vips.map((vip) => {
      const route = routes.get(vip);
      return [vip, route === undefined ? 'blackhole' : route.type];
    }),
  );
}

async function rpFilterOf(name: string, ip: Ip): Promise<HostFacts['rpFilter']> {
  const netconf = await orUndefined(() => readNetconf(ip));
  return netconf && reversePathFilter(netconf, name);
}

function memoryLimit(): number | undefined {
  try {
    const [, group = '/'] = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8')) ?? [];
    const text = readFileSync(join('/sys/fs/cgroup', group, 'memory.max'), 'utf8').trim();
    return text === 'max' ? undefined : Number(text);
  } catch {
    return undefined;
  }
}

function memlock(): number | undefined {
  const text = readFileSync('/proc/self/limits', 'utf8');
  const [, soft = 'unlimited'] = /^Max locked memory\s+(\S+)/m.exec(text) ?? [];
  return soft === 'unlimited' ? undefined : Number(soft);
}

function settingOf(path: string, isOn: (text: string) => boolean): boolean | undefined {
  try {
    return isOn(readFileSync(`/proc/sys/${path}`, 'utf8').trim());
  } catch {
    return undefined;
  }
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function orUndefined<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch {
    return undefined;
  }
}
