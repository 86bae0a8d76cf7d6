// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cidecar/cidecar/clients/go/cidecarv1"
)

func TestPausesGrowFrom50To500Milliseconds(t *testing.T) {
	for _, part := range []float64{0, 0.5, 0.999} {
		b := backoff{random: func() float64 { return part }}
		for _, longest := range []time.Duration{50, 100, 200, 400, 500, 500, 500} {
			longest *= time.Millisecond
			want := longest/2 + time.Duration(part*float64(longest/2))
			if got := b.next(); got != want {
				t.Errorf("%v, not %v", got, want)
			}
		}
		b.reset()
		if got := b.next(); got > 50*time.Millisecond {
			t.Errorf("after a sign of life %v", got)
		}
		b.useLongest()
		if got := b.next(); got < 250*time.Millisecond || got > 500*time.Millisecond {
			t.Errorf("after a lie %v", got)
		}
	}
}

type fakeClock struct{ awakeFor, alwaysFor time.Duration }

func (c *fakeClock) awake() time.Duration  { return c.awakeFor }
func (c *fakeClock) always() time.Duration { return c.alwaysFor }

func (c *fakeClock) pass(d time.Duration) {
	c.awakeFor += d
	c.alwaysFor += d
}

func TestFreshnessPassesOnceAndComesBack(t *testing.T) {
	clock := &fakeClock{}
	f := newFreshness(clock)
	f.lifetime = time.Minute
	clock.pass(time.Minute)
	if f.justPassed() {
		t.Error("passed at its end already")
	}
	clock.pass(1)
	if !f.justPassed() || f.justPassed() || !f.passed {
		t.Error("not passed once")
	}
	f.heard()
	if f.passed || f.justPassed() || f.silence() != 0 {
		t.Error("passed though something was heard")
	}
}

func TestFreshnessCountsSleep(t *testing.T) {
	clock := &fakeClock{}
	f := newFreshness(clock)
	f.lifetime = time.Minute
	clock.alwaysFor += time.Hour
	clock.pass(alwaysEvery)
	if !f.justPassed() {
		t.Error("an hour of sleep is not noticed")
	}
}

func TestFreshnessWithoutLimit(t *testing.T) {
	clock := &fakeClock{}
	f := newFreshness(clock)
	clock.pass(1000 * time.Hour)
	if f.justPassed() {
		t.Error("passed without a lifetime")
	}
}

func TestOrders(t *testing.T) {
	now := time.Now()
	o := newOrders()
	if o.oldest() != 0 {
		t.Error("an oldest generation without CIDs")
	}
	o.took(5)
	o.took(6)
	o.order(4, now.Add(time.Hour))
	o.order(5, now.Add(time.Minute))
	o.order(6, now.Add(time.Hour))
	o.order(4, now)
	if _, ok := o.next(6); ok {
		t.Error("given before there are CIDs of a later generation")
	}
	order, ok := o.next(7)
	if !ok || order.ThroughGeneration != 6 || !order.Deadline.Equal(now.Add(time.Minute)) {
		t.Errorf("two orders became %v", order)
	}
	if o.oldest() != 7 {
		t.Errorf("the oldest generation without an order is %d", o.oldest())
	}
	o.order(6, now)
	if _, ok := o.next(7); ok {
		t.Error("a known order is given again")
	}
}

func TestOrdersOfASidecarThatLostItsState(t *testing.T) {
	var g generations
	if g.begin(2000) || !g.begin(1000) || g.present != 3000 {
		t.Fatalf("the sidecar lost its state: %+v", g)
	}
	o := newOrders()
	o.took(2000)
	o.order(math.MaxUint64, time.Now())
	o.startAnew(g)
	if order, ok := o.next(g.present); !ok || order.ThroughGeneration != 2000 || o.oldest() != 3000 {
		t.Errorf("an order that waited became %v", order)
	}
	o.order(g.toServer(1000), time.Now())
	if order, ok := o.next(g.toServer(1001)); !ok || order.ThroughGeneration != 3000 {
		t.Errorf("the order after it is %v", order)
	}
}

func TestGenerations(t *testing.T) {
	var g generations
	for _, each := range []struct {
		sidecars, servers uint64
		lost              bool
	}{{2, 2, false}, {1, 3, true}, {2, 4, false}, {2, 4, false}, {1, 5, true}, {2, 6, false}} {
		if g.begin(each.sidecars) != each.lost || g.present != each.servers ||
			g.toSidecar(g.present) != each.sidecars {
			t.Errorf("%d of the sidecar: %+v", each.sidecars, g)
		}
	}
	if g.toSidecar(4) != 0 || g.toSidecar(5) != 1 {
		t.Error("those from before the sidecar lost its state are not 0")
	}
	if g.toServer(math.MaxUint64) != math.MaxUint64 {
		t.Error("numbers begin again at 0")
	}
}

// A pace clock on which nothing takes time but sleep.
type fakePaceClock struct{ now time.Duration }

func (c *fakePaceClock) elapsed() time.Duration { return c.now }

func (c *fakePaceClock) sleep(ctx context.Context, pause time.Duration) error {
	c.now += pause
	return ctx.Err()
}

func TestPace(t *testing.T) {
	for _, count := range []int{0, 1, 2, 20, 1000} {
		for _, within := range []time.Duration{time.Second, time.Minute, math.MaxInt64} {
			clock := &fakePaceClock{}
			var at []time.Duration
			replace := func(index int) {
				if index != len(at) {
					t.Fatalf("index %d after %d", index, len(at))
				}
				at = append(at, clock.now)
			}
			if err := pace(context.Background(), count, within, replace, clock); err != nil {
				t.Fatal(err)
			}
			if len(at) != count {
				t.Fatalf("%d of %d were replaced", len(at), count)
			}
			used := time.Duration(0.8 * float64(min(within, longestPace)))
			for i, when := range at {
				// Evenly, and none later than a step after its turn.
				turn := time.Duration(float64(used) * float64(i) / float64(count))
				if late := when - turn; late < -max(paceStep, used/time.Duration(count)) || late > used/2+paceStep {
					t.Errorf("%d within %v: %d at %v, its turn is at %v", count, within, i, when, turn)
				}
			}
			if count > 1 && at[count-1] > used+paceStep {
				t.Errorf("the last at %v, %v are used", at[count-1], used)
			}
		}
	}
}

func TestPaceOfWhatIsDue(t *testing.T) {
	clock, done := &fakePaceClock{}, 0
	err := pace(context.Background(), 100, -time.Hour, func(int) { done++ }, clock)
	if err != nil || done != 100 || clock.now != 0 {
		t.Errorf("%d replaced after %v: %v", done, clock.now, err)
	}
}

func TestPaceEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := 0
	err := Pace(ctx, 10, time.Now().Add(time.Hour), func(int) {
		done++
		cancel()
	})
	if err == nil || done != 1 {
		t.Errorf("%d replaced: %v", done, err)
	}
}

func TestHeldReport(t *testing.T) {
	numbers := generations{base: 2000, present: 2009}
	report := heldReport(map[uint64]uint64{2003: 1, 2007: 2, 2009: 4, 2008: 0, 2000: math.MaxUint64 / 2}, numbers)
	want := "[0 4294967295] [3 1] [7 2] [9 4] "
	if got := text(report); got != want {
		t.Errorf("%s, not %s", got, want)
	}
	if !holdsEarlier(report, 9) || holdsEarlier(heldReport(map[uint64]uint64{2009: 1}, numbers), 9) {
		t.Error("earlier generations are not told")
	}
	if sameHeld(report, report[1:]) || !sameHeld(report, heldReport(map[uint64]uint64{
		2009: 4, 2007: 2, 2003: 1, 1000: math.MaxUint32,
	}, numbers)) {
		t.Error("reports that say the same differ")
	}
}

func TestHeldReportOfManyGenerations(t *testing.T) {
	counted := make(map[uint64]uint64)
	for generation := range uint64(100) {
		counted[generation+1] = 1
	}
	report := heldReport(counted, generations{present: 100})
	if len(report) != heldLimit || report[0].Generation != 1 || report[0].Connections != 37 {
		t.Errorf("%d generations, the first %v", len(report), report[0])
	}
}

func text(report []*cidecarv1.HeldGeneration) string {
	var b strings.Builder
	for _, each := range report {
		fmt.Fprintf(&b, "[%d %d] ", each.Generation, each.Connections)
	}
	return b.String()
}

// The queue is held to a list of CIDs, whatever is pushed, taken and dropped.
func TestQueue(t *testing.T) {
	var q batchQueue
	var list []CID
	serial := byte(0)
	for range 20_000 {
		switch rand.IntN(12) {
		case 0:
			b := batch{count: 1 + rand.IntN(5), cidLength: 8, generation: rand.Uint64N(3), routable: rand.IntN(2) == 0}
			for range b.count {
				serial++
				cid := CID{length: 8, Generation: b.generation, Routable: b.routable}
				cid.octets[7], cid.ResetToken[15] = serial, serial
				list = append(list, cid)
				b.cids = append(b.cids, cid.Bytes()...)
				b.tokens = append(b.tokens, cid.ResetToken[:]...)
			}
			q.push(b)
		case 1:
			generation := rand.Uint64N(3)
			q.keep(func(b *batch) bool { return b.generation != generation })
			kept := list[:0:0]
			for _, cid := range list {
				if cid.Generation != generation {
					kept = append(kept, cid)
				}
			}
			list = kept
		default:
			var cid CID
			if ok := q.pop(&cid); ok != (len(list) > 0) {
				t.Fatalf("pop is %v with %d CIDs", ok, len(list))
			} else if ok {
				if cid != list[0] {
					t.Fatalf("%v, not %v", cid, list[0])
				}
				list = list[1:]
			}
		}
		if q.size != len(list) || q.nextIsRoutable() != (len(list) > 0 && list[0].Routable) {
			t.Fatalf("size %d, not %d", q.size, len(list))
		}
		if cap(q.batches) > 20_000 {
			t.Fatal("the queue grows")
		}
	}
}

func TestACIDHidesItsToken(t *testing.T) {
	cid := CID{length: 8, ResetToken: ResetToken{0xab, 0xcd, 0xef}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if shown := fmt.Sprintf(format, cid); strings.Contains(shown, "ab") || strings.Contains(shown, "171") {
			t.Errorf("%s shows %s", format, shown)
		}
	}
}
