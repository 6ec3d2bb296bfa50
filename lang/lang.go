// Package lang speaks the languages of the store: sentences, dates and the choice of a language.
//
// Promises:
//
//   - Every sentence exists in every language, with the same placeholders; a test compares the catalogues key by key.
//   - A Lang never changes after it was made, and all its methods may be called from many goroutines at once.
//   - A date always names its zone, by the city that people know, so that "15:40" is never ambiguous.
//   - An unknown language is English and an unknown key is shown as the key: a missing translation never stops a page
//     or a letter.
//
// The catalogues are TOML files in catalog/<language>/, one file for each area (letters, errors, storefront, …),
// embedded in the program. Adding a language is adding a folder.
package lang

import (
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// Lang is one language of the catalogue. It is immutable and safe for concurrent use.
type Lang struct {
	tag       string
	messages  map[string]*i18n.Message // by key; also tells whether a message has plural forms
	localizer *i18n.Localizer
	fallback  *Lang // English; nil for English itself
}

// For returns the language of a locale such as "fr_FR", "fr-CA" or "fr". A locale that the catalogue does not have,
// or that is no locale at all, gets English: a page in the wrong language is better than none.
func For(locale string) *Lang {
	all := catalogue()
	if l, ok := all.languages[base(locale)]; ok {
		return l
	}
	return all.languages[English]
}

// Knows reports whether a store view may have this locale: a well-formed one whose language is in the catalogue.
func Knows(locale string) bool {
	_, ok := catalogue().languages[base(locale)]
	return ok
}

// Supported lists the languages of the catalogue, English first, then by code.
func Supported() []string {
	return append([]string(nil), catalogue().codes...)
}

// base is the language part of a locale, "" when it is malformed.
func base(locale string) string {
	tag, err := language.Parse(locale) // takes "fr_FR" as well as "fr-FR"
	if err != nil {
		return ""
	}
	code, _ := tag.Base()
	return code.String()
}

// Tag is the BCP 47 tag for <html lang> and Content-Language: "fr".
func (l *Lang) Tag() string { return l.tag }

// Name is what the language calls itself: "Français".
func (l *Lang) Name() string { return l.T("language." + l.tag) }

// Has reports whether the key has a sentence in this language, without falling back to English.
func (l *Lang) Has(key string) bool {
	_, ok := l.messages[key]
	return ok
}

// T is the sentence of a key. The arguments are pairs of placeholder and value ("Name", "Camille"), or one
// map[string]any. A sentence that exists in singular and plural chooses by its whole-number argument, of which it may
// have only one.
//
// A key that this language lacks is taken from English, and one that nobody has is returned as it is; Missing lets a
// test refuse both.
func (l *Lang) T(key string, args ...any) string {
	message, ok := l.messages[key]
	if !ok {
		if l.fallback != nil {
			return l.fallback.T(key, args...)
		}
		return key
	}
	if message.One == "" && !strings.Contains(message.Other, "{{") {
		return message.Other // most sentences: spares the template and the matching of languages
	}
	data := arguments(args)
	config := &i18n.LocalizeConfig{MessageID: key, TemplateData: data}
	if message.One != "" {
		config.PluralCount = number(data)
	}
	// An error beside a text means that a rarer plural form (French for a million) fell back to the usual one.
	if text, _ := l.localizer.Localize(config); text != "" {
		return text
	}
	return key
}

// N is T for a counted thing: it chooses singular or plural for n, which the sentence knows as {{.Count}}. Its other
// arguments must not be whole numbers.
func (l *Lang) N(key string, n int, args ...any) string {
	data := arguments(args)
	data["Count"] = n
	return l.T(key, data)
}

// arguments makes the data of a template from pairs or from one map, which is copied because N adds to it.
func arguments(args []any) map[string]any {
	data := make(map[string]any, len(args)/2+1)
	if len(args) == 1 {
		if given, ok := args[0].(map[string]any); ok {
			for name, value := range given {
				data[name] = value
			}
		}
		return data
	}
	for i := 0; i+1 < len(args); i += 2 {
		if name, ok := args[i].(string); ok {
			data[name] = args[i+1]
		}
	}
	return data
}

// number is the count that chooses the plural form: Count where there is one, else the whole number among the
// arguments. Without any, the plural is the harmless choice.
func number(data map[string]any) int {
	if n, ok := data["Count"].(int); ok {
		return n
	}
	for _, value := range data {
		switch n := value.(type) {
		case int:
			return n
		case int64:
			return int(n)
		}
	}
	return 2
}

// Missing names each of the keys that some language lacks, as "fr: letter.forgot.subject". It is for the tests of the
// packages that compose pages and letters.
func Missing(keys ...string) []string {
	var missing []string
	for _, code := range Supported() {
		for _, key := range keys {
			if !For(code).Has(key) {
				missing = append(missing, code+": "+key)
			}
		}
	}
	return missing
}
