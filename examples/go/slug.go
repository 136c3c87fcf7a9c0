// Package slug makes titles into parts of addresses.
package slug

import (
	"strings"
	"unicode"
)

// Of returns a title in lower case, its words joined by hyphens.
func Of(title string) string {
	words := strings.FieldsFunc(strings.ToLower(title), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	return strings.Join(words, "-")
}
