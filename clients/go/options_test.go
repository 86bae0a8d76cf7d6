// SPDX-License-Identifier: Apache-2.0

package cidecar

import (
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOptionsThatCannotBeUsed(t *testing.T) {
	for name, o := range map[string]Options{
		"no socket":          {},
		"two places":         {Socket: "s", Address: "h:1", TLS: &tls.Config{}},
		"TCP without TLS":    {Address: "h:1"},
		"too much":           {Socket: "s", HighWater: 65_537},
		"negative":           {Socket: "s", HighWater: -1},
		"low above high":     {Socket: "s", HighWater: 10, LowWater: 11},
		"negative low":       {Socket: "s", LowWater: -1},
		"server use":         {Socket: "s", ServerUse: make([]byte, 15)},
		"long name":          {Socket: "s", ClientName: strings.Repeat("x", 65)},
		"name with a line":   {Socket: "s", ClientName: "a\nb"},
		"name beyond ASCII":  {Socket: "s", ClientName: "ä"},
		"long path":          {Socket: "/" + strings.Repeat("x", 107)},
		"path with a zero":   {Socket: "a\x00b"},
		"long relative path": {Socket: strings.Repeat("x", 108)},
	} {
		_, err := New(o)
		var ours *Error
		if !errors.As(err, &ours) || ours.Code != CodeArgumentInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptionsThatAreLeftOut(t *testing.T) {
	o, err := Options{Socket: "/s", HighWater: 5}.complete()
	if err != nil || o.LowWater != 3 {
		t.Errorf("low water %d: %v", o.LowWater, err)
	}
	o, err = Options{Socket: "/s"}.complete()
	if err != nil || o.HighWater != 4096 || o.LowWater != 2048 {
		t.Errorf("%d and %d: %v", o.LowWater, o.HighWater, err)
	}
}

func TestALongFolderTakesARelativePath(t *testing.T) {
	folder := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	path, err := socketPath(folder + "/s")
	if err == nil {
		t.Fatalf("%s fits nowhere", path)
	}
	t.Chdir(mkdir(t, folder))
	if path, err = socketPath(folder + "/s"); err != nil || path != "s" {
		t.Errorf("%q: %v", path, err)
	}
}

func mkdir(t *testing.T, folder string) string {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	return folder
}
