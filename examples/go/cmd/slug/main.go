// Command slug prints its arguments as a part of an address.
package main

import (
	"fmt"
	"os"
	"strings"

	"example.org/slug"
)

func main() {
	fmt.Println(slug.Of(strings.Join(os.Args[1:], " ")))
}
