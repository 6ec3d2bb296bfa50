package lang

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// English is the language that stands in for a missing one.
const English = "en"

//go:embed catalog
var files embed.FS

// languages is the whole catalogue: what the folder holds.
type languages struct {
	codes     []string // English first, then by code
	languages map[string]*Lang
}

// catalogue reads the embedded files once. They are part of the program, so a malformed one is a programmer's error,
// which the tests of this package meet before anybody else does.
var catalogue = sync.OnceValue(func() languages {
	loaded, err := load(files, "catalog")
	if err != nil {
		panic(err)
	}
	return loaded
})

// load reads every *.toml of each language folder below root.
func load(source fs.FS, root string) (languages, error) {
	folders, err := fs.ReadDir(source, root)
	if err != nil {
		return languages{}, fmt.Errorf("lang: %w", err)
	}
	all := languages{languages: map[string]*Lang{}}
	for _, folder := range folders {
		code := folder.Name()
		l, err := loadLanguage(source, path.Join(root, code), code)
		if err != nil {
			return languages{}, err
		}
		all.languages[code] = l
		if code != English {
			all.codes = append(all.codes, code)
		}
	}
	english, ok := all.languages[English]
	if !ok {
		return languages{}, fmt.Errorf("lang: the catalogue has no folder %q", English)
	}
	slices.Sort(all.codes)
	for _, code := range all.codes {
		all.languages[code].fallback = english
	}
	all.codes = slices.Insert(all.codes, 0, English)
	return all, nil
}

// loadLanguage reads one folder. Each language has a bundle of its own, so that finding a sentence never depends on
// matching languages again.
func loadLanguage(source fs.FS, folder, code string) (*Lang, error) {
	tag, err := language.Parse(code)
	if err != nil {
		return nil, fmt.Errorf("lang: folder %q is named after no language: %w", code, err)
	}
	names, err := fs.Glob(source, folder+"/*.toml")
	if err != nil {
		return nil, fmt.Errorf("lang: %w", err)
	}
	bundle := i18n.NewBundle(tag)
	l := &Lang{tag: code, messages: map[string]*i18n.Message{}}
	for _, name := range names {
		content, err := fs.ReadFile(source, name)
		if err != nil {
			return nil, fmt.Errorf("lang: %w", err)
		}
		messages, err := bundle.ParseMessageBytes(tag, content, toml.Unmarshal)
		if err != nil {
			return nil, fmt.Errorf("lang: %s: %w", name, err)
		}
		for _, message := range messages {
			if _, taken := l.messages[message.ID]; taken {
				return nil, fmt.Errorf("lang: %s: key %q is in another file already", name, message.ID)
			}
			l.messages[message.ID] = message
		}
	}
	l.localizer = i18n.NewLocalizer(bundle, code)
	return l, nil
}
