// SPDX-License-Identifier: Apache-2.0

// The test program of this client: clients/contract/README.md of the project has its commands.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	cidecar "github.com/cidecar/cidecar/clients/go"
)

// A command has the fields of all commands.
type command struct {
	ID          int               `json:"id"`
	Do          string            `json:"do"`
	Socket      string            `json:"socket"`
	HighWater   int               `json:"high_water"`
	ServerUse   string            `json:"server_use"`
	CanRetire   *bool             `json:"can_retire"`
	TimeoutMS   int               `json:"timeout_ms"`
	Count       int               `json:"count"`
	Generations map[string]uint64 `json:"generations"`
	CID         string            `json:"cid"`
	Items       int               `json:"items"`
	WithinMS    int               `json:"within_ms"`
}

type object map[string]any

// A program has the pool, and what happened since somebody asked.
type program struct {
	pool   *cidecar.Pool
	mu     sync.Mutex
	events []object
	held   map[uint64]uint64

	// What CIDs are minted with.
	minting *cidecar.Pool
	lease   *cidecar.Lease
}

func main() {
	p := program{events: []object{}}
	var output sync.Mutex
	answer := func(c command) {
		result, err := p.do(c)
		if err != nil {
			result = object{"error": err.Error()}
		}
		result["id"] = c.ID
		line, _ := json.Marshal(result)
		output.Lock()
		defer output.Unlock()
		fmt.Println(string(line))
	}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var c command
		if err := json.Unmarshal(line, &c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		switch c.Do {
		case "ready", "reset-token", "is-own", "pace", "mint":
			go answer(c) // They wait.
		default:
			answer(c)
		}
	}
}

func (p *program) do(c command) (object, error) {
	if p.pool == nil && c.Do != "start" && c.Do != "mint" {
		return nil, errors.New("there was no start")
	}
	switch c.Do {
	case "start":
		return p.start(c)
	case "ready":
		ctx, cancel := context.WithTimeout(context.Background(), milliseconds(c.TimeoutMS))
		defer cancel()
		err := p.pool.Ready(ctx)
		sidecar, _ := p.pool.Sidecar()
		return object{"cid_length": sidecar.CIDLength}, err
	case "take":
		return p.take(c.Count)
	case "stats":
		stats := p.pool.Stats()
		result := object{
			"connected": stats.Connected, "level": stats.Level, "generation": stats.Generation,
			"dry": stats.Dry, "stale": stats.Stale, "reason": nil,
		}
		if stats.LastError != nil {
			result["reason"] = stats.LastError.Error()
		}
		return result, nil
	case "events":
		p.mu.Lock()
		defer p.mu.Unlock()
		events := p.events
		p.events = []object{}
		return object{"events": events}, nil
	case "hold":
		p.mu.Lock()
		defer p.mu.Unlock()
		p.held = make(map[uint64]uint64)
		for text, connections := range c.Generations {
			generation, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				return nil, err
			}
			p.held[generation] = connections
		}
		return object{}, nil
	case "reset-token":
		cid, _ := hex.DecodeString(c.CID)
		token, err := p.pool.ResetToken(context.Background(), cid)
		if errors.Is(err, cidecar.ErrNoToken) {
			return object{"token": nil}, nil
		}
		return object{"token": hex.EncodeToString(token[:])}, err
	case "is-own":
		cid, _ := hex.DecodeString(c.CID)
		own, err := p.pool.IsOwn(context.Background(), cid)
		return object{"own": own}, err
	case "pace":
		began, at := time.Now(), make([]int64, 0, c.Items)
		deadline := began.Add(milliseconds(c.WithinMS))
		err := cidecar.Pace(context.Background(), c.Items, deadline, func(int) {
			at = append(at, time.Since(began).Milliseconds())
		})
		return object{"at_ms": at}, err
	case "mint":
		return p.mint(c)
	case "close":
		p.pool.Close()
		return object{}, nil
	}
	return nil, errors.New("no such command")
}

func (p *program) start(c command) (object, error) {
	use, err := hex.DecodeString(c.ServerUse)
	if err != nil {
		return nil, err
	}
	p.pool, err = cidecar.New(cidecar.Options{
		Socket:       c.Socket,
		HighWater:    c.HighWater,
		ServerUse:    use,
		ClientName:   "contract-test",
		CannotRetire: c.CanRetire != nil && !*c.CanRetire,
		Held: func() map[uint64]uint64 {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.held
		},
		Events: cidecar.Events{
			Connected:    func() { p.note(object{"event": "connected"}) },
			Disconnected: func(error) { p.note(object{"event": "disconnected"}) },
			Stale:        func(error) { p.note(object{"event": "stale"}) },
			Dry:          func() { p.note(object{"event": "dry"}) },
			Recovered:    func() { p.note(object{"event": "recovered"}) },
			Trouble: func(err error) {
				p.note(object{"event": "trouble", "message": err.Error()})
			},
			Reissue: func(order cidecar.Reissue) {
				due := !order.Deadline.After(time.Now())
				p.note(object{"event": "reissue", "through_generation": order.ThroughGeneration, "due": due})
			},
		},
	})
	return object{}, err
}

func (p *program) note(event object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, event)
}

type run struct {
	Generation uint64 `json:"generation"`
	Routable   bool   `json:"routable"`
	Count      int    `json:"count"`
}

func (p *program) take(count int) (object, error) {
	var cids, tokens []byte
	runs := []run{}
	for range count {
		cid, err := p.pool.Take()
		if err != nil {
			return nil, err
		}
		cids = append(cids, cid.Bytes()...)
		tokens = append(tokens, cid.ResetToken[:]...)
		if last := len(runs) - 1; last >= 0 &&
			runs[last].Generation == cid.Generation && runs[last].Routable == cid.Routable {
			runs[last].Count++
		} else {
			runs = append(runs, run{cid.Generation, cid.Routable, 1})
		}
	}
	return object{"cids": cids, "tokens": tokens, "runs": runs}, nil // []byte is base64 in JSON.
}

// leased is how many counters are leased at a time.
const leased = 1000

func (p *program) mint(c command) (object, error) {
	ctx := context.Background()
	var err error
	if p.minting == nil {
		if p.minting, err = cidecar.New(cidecar.Options{Socket: c.Socket, HighWater: 16}); err != nil {
			return nil, err
		}
	}
	if err := p.minting.Ready(ctx); err != nil {
		return nil, err
	}
	var cids, tokens []byte
	for made := 0; made < c.Count; {
		if p.lease == nil || p.lease.Left() == 0 {
			if p.lease, err = p.minting.Lease(ctx, leased); err != nil {
				return nil, err
			}
		}
		cid, err := p.lease.Take()
		if err != nil {
			return nil, err
		}
		cids = append(cids, cid.Bytes()...)
		tokens = append(tokens, cid.ResetToken[:]...)
		made++
	}
	return object{"cids": cids, "tokens": tokens}, nil
}

func milliseconds(count int) time.Duration { return time.Duration(count) * time.Millisecond }
