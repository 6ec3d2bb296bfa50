package console

import (
	"github.com/rekeyhq/rekey/shop"
)

// scopeName is a scope as the address of the Configuration page writes it: "", "websites/base" or "stores/fr".
func (c *call) scopeName(s shop.Scope) string {
	switch s.Kind {
	case shop.Websites:
		if w, ok := c.snap.Website(s.ID); ok {
			return shop.Websites + "/" + w.Code
		}
	case shop.Stores:
		if v, ok := c.snap.View(s.ID); ok {
			return shop.Stores + "/" + v.Code
		}
	}
	return ""
}

// scopeWords is a scope in words.
func (c *call) scopeWords(s shop.Scope) string {
	switch s.Kind {
	case shop.Websites:
		return "Website " + c.websiteName(s.ID)
	case shop.Stores:
		if v, ok := c.snap.View(s.ID); ok {
			return "Store view " + v.Name
		}
	}
	return "Default, for all websites"
}

// scopeLinks are the scopes that the administrator may choose from, store views below their website.
func (c *call) scopeLinks(section string, current shop.Scope) []scopeLink {
	var all []scopeLink
	add := func(s shop.Scope, text, kind string) {
		all = append(all, scopeLink{Text: text, Kind: kind, URL: configURL(section, c.scopeName(s)), Deep: s.Kind == shop.Stores, Current: s == current})
	}
	if c.everywhere() {
		add(shop.Scope{Kind: shop.Default}, "Default", "all websites")
	}
	for _, w := range c.websites() {
		add(shop.Scope{Kind: shop.Websites, ID: w.ID}, w.Name, "website")
		for _, v := range c.snap.ViewsOf(w.ID) {
			add(shop.Scope{Kind: shop.Stores, ID: v.ID}, v.Name, "store view")
		}
	}
	return all
}

// fromWords says where a value comes from.
func (c *call) fromWords(s shop.Scope) string {
	switch s.Kind {
	case shop.BuiltIn:
		return "built-in value"
	case shop.FromPreset:
		preset, _ := c.snap.Setting(shop.PasswordPreset, shop.Scope{Kind: shop.Default})
		where := "the default scope"
		if s.ID != 0 {
			preset, _ = c.snap.Setting(shop.PasswordPreset, shop.Scope{Kind: shop.Websites, ID: s.ID})
			where = "website " + c.websiteName(s.ID)
		}
		for _, p := range shop.Presets() {
			if p.Code == preset {
				preset = p.Label
			}
		}
		return "preset " + preset + " of " + where
	case shop.Websites:
		return "set for website " + c.websiteName(s.ID)
	case shop.Stores:
		if v, ok := c.snap.View(s.ID); ok {
			return "set for store view " + v.Name
		}
	}
	return "set at the default scope"
}

// scopeKinds names the scopes at which a setting can be set.
func scopeKinds(kinds []string) string {
	var words []string
	for _, k := range kinds {
		words = append(words, map[string]string{shop.Default: "the default scope", shop.Websites: "a website", shop.Stores: "a store view"}[k])
	}
	return listed(words)
}
