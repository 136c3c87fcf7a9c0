package slug

import "testing"

func TestOf(t *testing.T) {
	for title, want := range map[string]string{
		"Hello, World!": "hello-world",
		"  Go 1.24 ":    "go-1-24",
		"Ärger":         "ärger",
		"":              "",
	} {
		if got := Of(title); got != want {
			t.Errorf("Of(%q) = %q, want %q", title, got, want)
		}
	}
}
