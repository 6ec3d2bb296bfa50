package lang

import "strings"

// programs are the catalogue's keys of what audit.Origin calls a program by what it is, for want of a name of its own.
var programs = map[string]string{
	"an Android app": "android", "an Apple app": "apple", "a Go program": "go", "a Python program": "python", "a Node.js program": "node",
}

// Browser says in this language what audit.Origin.Browser keeps in English: "Chrome on Android", "a Go program". Names stay as
// they are, and nothing stays nothing.
func (l *Lang) Browser(kept string) string {
	name, system, both := strings.Cut(kept, " on ")
	if key, ok := programs[name]; ok {
		name = l.T("browser." + key)
	}
	if !both {
		return name
	}
	return l.T("browser.on", "Browser", name, "System", system)
}
