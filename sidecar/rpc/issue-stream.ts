// SPDX-License-Identifier: Apache-2.0
import type {
  IssueStreamRequest,
  IssueStreamResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { IssuedCids } from '../issuing/issued-cids.js';
import { CidStream, type CidStreamOptions } from './cid-stream.js';
import type { Holder } from './older-cids.js';

/** The sidecar's end of one IssueStream, for clients of the release before Session. */
export class IssueStream
  extends CidStream<IssueStreamRequest, IssueStreamResponse>
  implements Holder
{
  constructor(options: CidStreamOptions<IssueStreamRequest, IssueStreamResponse>) {
    super(options);
    this.announce();
  }

  give(batch: IssuedCids): void {
    this.send({ event: { $case: 'batch', value: this.batchOf(batch) } });
  }

  /** Tells the client that CIDs of earlier generations are void, batches on their way included. */
  announce(): void {
    const { generation, zeroHostId } = this.issuer;
    this.send({ event: { $case: 'generationSwitch', value: { generation, zeroHostId } } });
  }

  /** Whether its client has CIDs: it cannot say how many connections hold old ones. */
  olderConnections(): number | undefined {
    return this.used ? undefined : 0;
  }

  protected take({ serverUse, credit, acknowledgedGeneration }: IssueStreamRequest): void {
    this.takeServerUse(serverUse);
    this.giveCredit(credit);
    // A generation above ours comes from a state that was lost (--reset-nonces). It says nothing
    // about this state, and would count for switches that the client has not heard of.
    if (acknowledgedGeneration <= this.issuer.generation) this.acknowledge(acknowledgedGeneration);
  }
}
