// msctl scaffolds, runs, routes, reloads and shows microservices on one machine.
package main

import (
	"os"

	"github.com/msctl/msctl/cmd"
)

func main() { os.Exit(cmd.Main(os.Args[1:])) }
