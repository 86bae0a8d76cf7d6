// SPDX-License-Identifier: Apache-2.0

// A release of etcd whose rights hold, built from its module: Debian's are older than the fixes.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
