package shop

import (
	"time"
)

// The kinds of Scope.Kind. The last two appear only as the origin of a value.
const (
	Default    = "default"
	Websites   = "websites"
	Stores     = "stores"
	FromPreset = "preset"   // supplied by the password preset in force there
	BuiltIn    = "built-in" // nobody has set it
)

// Scope says for whom a setting holds.
type Scope struct {
	Kind string
	ID   int64 // of the website or store view; 0 otherwise
}

// entry is the key of a stored setting.
type entry struct {
	path  string
	scope Scope
}

// inForce holds the values in force for one scope. Its methods panic on a path that the registry does not have or that
// is of another type: that is a programmer's slip, and the first page shows it.
type inForce struct{ values map[string]value }

// value is a setting's text and what it means.
type value struct {
	text     string
	number   int
	duration time.Duration
	yes      bool
	origin   Scope
}

// Int is the whole number in force at path.
func (f inForce) Int(path string) int { return f.get(path, Number).number }

// Bool is the yes or no in force at path.
func (f inForce) Bool(path string) bool { return f.get(path, YesNo).yes }

// Text is the choice or text in force at path.
func (f inForce) Text(path string) string { return f.get(path, Choice).text }

// Address is the web address in force at path, "" where none is set.
func (f inForce) Address(path string) string { return f.get(path, WebAddress).text }

// Duration is the length of time in force at path.
func (f inForce) Duration(path string) time.Duration { return f.get(path, Time).duration }

func (f inForce) get(path string, wanted Type) value {
	setting, ok := Find(path)
	if !ok {
		panic("shop: no setting " + path)
	}
	if setting.Type != wanted {
		panic("shop: " + path + " is asked for as another type than it has")
	}
	return f.values[path]
}

// Setting tells what is in force at path for a scope and where that comes from: one of the three scopes, FromPreset
// with the id of the website whose preset it is (0 for the default scope's), or BuiltIn.
func (s *Snapshot) Setting(path string, scope Scope) (text string, from Scope) {
	found := s.resolve(path, scope)
	return found.text, found.origin
}

// valuesFor resolves every setting for one scope.
func (s *Snapshot) valuesFor(scope Scope) inForce {
	values := make(map[string]value, len(registry))
	for _, setting := range registry {
		values[setting.Path] = s.resolve(setting.Path, scope)
	}
	return inForce{values}
}

// resolve walks from the scope to the default. At each step what was set there itself wins over what a preset chosen
// there supplies, and both win over everything more general: a website that chose a preset keeps it, whatever the
// default scope says.
func (s *Snapshot) resolve(path string, scope Scope) value {
	setting, ok := Find(path)
	if !ok {
		panic("shop: no setting " + path)
	}
	for _, level := range s.levels(scope) {
		if text, ok := s.explicit[entry{path, level}]; ok && setting.Scopes.Has(level.Kind) {
			return setting.value(text, level)
		}
		if preset, ok := s.explicit[entry{PasswordPreset, level}]; ok {
			if text, ok := presetDefaults(preset)[path]; ok {
				return setting.value(text, Scope{Kind: FromPreset, ID: level.ID})
			}
		}
	}
	return setting.value(setting.Default, Scope{Kind: BuiltIn})
}

// levels is the way from a scope to the default.
func (s *Snapshot) levels(scope Scope) []Scope {
	levels := []Scope{{Kind: Default}}
	if scope.Kind == Stores {
		if v, ok := s.View(scope.ID); ok {
			return append([]Scope{scope, {Kind: Websites, ID: v.WebsiteID}}, levels...)
		}
	}
	if scope.Kind == Websites {
		return append([]Scope{scope}, levels...)
	}
	return levels
}

// Explicit lists what was set at one scope itself, by path: the fields of a configuration page whose "use default" is
// not ticked.
func (s *Snapshot) Explicit(scope Scope) map[string]string {
	set := map[string]string{}
	for e, text := range s.explicit {
		if e.scope == scope {
			set[e.path] = text
		}
	}
	return set
}
