package lang

import "golang.org/x/text/language"

// Match chooses among the offered locales the one that suits an Accept-Language header best, and returns its index.
// It says no when the header is malformed or when nothing offered is a language that its sender reads; the caller
// then stays with the store view's own language.
func Match(acceptLanguage string, offered []string) (index int, ok bool) {
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(wanted) == 0 || len(offered) == 0 {
		return 0, false
	}
	tags := make([]language.Tag, len(offered))
	for i, locale := range offered {
		tags[i] = language.Make(locale)
	}
	_, index, confidence := language.NewMatcher(tags).Match(wanted...)
	// Low is a guess such as Danish for a reader of Norwegian or Simplified Chinese for one of Traditional.
	if confidence <= language.Low {
		return 0, false
	}
	return index, true
}
