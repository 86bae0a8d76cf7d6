// SPDX-License-Identifier: Apache-2.0

// Measures what this client costs, against a real sidecar: clients/contract/README.md of the project
// says what each number is.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	cidecar "github.com/cidecar/cidecar/clients/go"
)

const (
	highWater = 65_536
	// timed is how many are taken of a full pool: so few that it is not refilled meanwhile.
	timed = 30_000
)

func main() {
	socket := flag.String("sidecar", "", "path of the sidecar's `SOCKET`")
	count := flag.Int("count", 1_000_000, "CIDs to take")
	flag.Parse()
	before := measure()
	pool, err := cidecar.New(cidecar.Options{Socket: *socket, HighWater: highWater})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := pool.Ready(ctx); err != nil {
		log.Fatal(err)
	}
	for pool.Stats().Level < highWater {
		if ctx.Err() != nil {
			log.Fatal("the pool is not full within a minute")
		}
		time.Sleep(time.Millisecond)
	}
	after := measure()
	began := time.Now()
	for range timed {
		if _, err := pool.Take(); err != nil {
			log.Fatal(err)
		}
	}
	take := time.Since(began)
	began = time.Now()
	for taken := 0; taken < *count; {
		if _, ok := pool.TakeRoutable(); ok {
			taken++
		} else {
			time.Sleep(50 * time.Microsecond)
		}
	}
	line, err := json.Marshal(map[string]any{
		"take_ns":         float64(take.Nanoseconds()) / timed,
		"cids_per_second": float64(*count) / time.Since(began).Seconds(),
		"memory_octets":   after.memory - before.memory,
		"threads":         after.threads - before.threads,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}

type usage struct{ memory, threads int64 }

// measure reads what the process uses from /proc.
func measure() (u usage) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		log.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		_, _ = fmt.Sscanf(string(line), "Threads: %d", &u.threads)
		if n, _ := fmt.Sscanf(string(line), "VmRSS: %d kB", &u.memory); n == 1 {
			u.memory *= 1024
		}
	}
	return u
}
