// SPDX-License-Identifier: Apache-2.0

package cidecar

// A batch holds CIDs of one length, packed as the sidecar sends them. Its lengths were checked.
type batch struct {
	cids       []byte
	tokens     []byte
	count      int
	cidLength  int
	generation uint64
	routable   bool
}

// A batchQueue holds batches, from which CIDs are taken one by one.
type batchQueue struct {
	batches []batch
	// first is where the oldest batch is; those before it are used up.
	first int
	// taken counts the CIDs of the oldest batch that were taken.
	taken int
	size  int
}

func (q *batchQueue) push(b batch) {
	if q.first > 0 && len(q.batches) == cap(q.batches) {
		left := copy(q.batches, q.batches[q.first:])
		clear(q.batches[left:])
		q.batches, q.first = q.batches[:left], 0
	}
	q.batches = append(q.batches, b)
	q.size += b.count
}

func (q *batchQueue) nextIsRoutable() bool {
	return q.size > 0 && q.batches[q.first].routable
}

// pop copies the next CID, so that one which lives long keeps no batch in memory. It returns false
// where there is none.
func (q *batchQueue) pop(cid *CID) bool {
	if q.size == 0 {
		return false
	}
	b := &q.batches[q.first]
	cid.length = uint8(b.cidLength)
	copy(cid.octets[:], b.cids[q.taken*b.cidLength:(q.taken+1)*b.cidLength])
	copy(cid.ResetToken[:], b.tokens[q.taken*ResetTokenLength:])
	cid.Generation, cid.Routable = b.generation, b.routable
	q.taken++
	q.size--
	if q.taken == b.count {
		*b = batch{}
		q.first++
		q.taken = 0
	}
	return true
}

// keep drops the batches for which good is false.
func (q *batchQueue) keep(good func(*batch) bool) {
	kept := make([]batch, 0, len(q.batches)-q.first)
	size, taken := 0, 0
	for i := range q.batches[q.first:] {
		b := &q.batches[q.first+i]
		if !good(b) {
			continue
		}
		kept = append(kept, *b)
		size += b.count
		if i == 0 {
			taken = q.taken
		}
	}
	q.batches, q.first, q.taken, q.size = kept, 0, taken, size-taken
}
