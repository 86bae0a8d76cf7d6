// SPDX-License-Identifier: Apache-2.0

/**
 * What an agent is to the others.
 *
 * - `joining`: it has not caught up yet, or etcd does not answer.
 * - `live`: gates wait for it, and it takes part.
 * - `counted out`: an operator said that nobody waits for it. It joins again by itself.
 * - `name taken`: another agent has this name.
 */
export type Standing = 'joining' | 'live' | 'counted out' | 'name taken';
