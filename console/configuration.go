package console

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web"
)

// configPage is Configuration: one section of the registry at one scope.
type configPage struct {
	page
	Sections []sectionLink
	Scopes   []scopeLink
	Scope    string // the chosen one, in words
	Groups   []settingGroup
	Action   string
	Seen     string // what the values were when the page was made
	Inherit  string // what the box beside a field says
	May      bool   // the administrator may save
	Findings []shop.Finding
}

type sectionLink struct {
	Text, URL string
	Current   bool
}

type scopeLink struct {
	Text, Kind, URL string
	Deep            bool // a store view, below its website
	Current         bool
}

type settingGroup struct {
	Title  string
	Fields []settingField
}

// settingField is one setting as the page shows it.
type settingField struct {
	shop.Setting
	Value     string // as typed, stored or inherited
	Shown     string // the value in words
	Inherit   bool   // the box is ticked
	Inherited string // the value that the box brings back
	Editable  bool
	At        string // where it can be set, when not here
	Choices   []option
	Keys      string // what a phone offers to type with
	From      string // where the value in force comes from
	Error     string
}

// section gives the part of the page that was asked for, and the scope. Errors: fault NotFound.
func (c *call) section() (section string, scope shop.Scope, err error) {
	q := c.r.URL.Query()
	names := sections()
	if section = q.Get("section"); section == "" {
		section = names[0]
	}
	if !slices.Contains(names, section) {
		return "", scope, web.NoSuchPage()
	}
	kind, code, _ := strings.Cut(q.Get("scope"), "/")
	if own := c.websites(); kind == "" && !c.everywhere() && len(own) > 0 {
		kind, code = shop.Websites, own[0].Code
	}
	scope, err = c.snap.ScopeOf(kind, code)
	if err != nil || !c.coversScope(scope) {
		return "", scope, web.NoSuchPage()
	}
	return section, scope, nil
}

// coversScope tells whether a scope is the administrator's: what holds for all websites is not for those of one.
func (c *call) coversScope(s shop.Scope) bool {
	switch s.Kind {
	case shop.Websites:
		return c.permit.Covers(s.ID)
	case shop.Stores:
		v, ok := c.snap.View(s.ID)
		return ok && c.permit.Covers(v.WebsiteID)
	}
	return c.everywhere()
}

// sections lists the parts of the registry in its order.
func sections() []string {
	var names []string
	for _, s := range shop.Registry() {
		if !slices.Contains(names, s.Section) {
			names = append(names, s.Section)
		}
	}
	return names
}

// configuration shows a section.
func (c *call) configuration() error {
	section, scope, err := c.section()
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "configuration", c.configPage(section, scope))
}

func (c *call) configPage(section string, scope shop.Scope) configPage {
	p := configPage{page: c.page(section, crumb{Text: "Stores"}, crumb{"Configuration", configPath}, crumb{Text: "Customers"})}
	if section != sections()[0] {
		p.Trail = p.Trail[:2]
	}
	p.Action, p.May = configURL(section, c.scopeName(scope)), c.may(admin.EditSettings)
	p.Inherit = map[string]string{shop.Default: "Use built-in value", shop.Websites: "Use default", shop.Stores: "Use website"}[scope.Kind]
	explicit := c.snap.Explicit(scope)
	p.Seen = seen(explicit)
	for _, name := range sections() {
		p.Sections = append(p.Sections, sectionLink{Text: name, URL: configURL(name, c.scopeName(scope)), Current: name == section})
	}
	p.Scopes = c.scopeLinks(section, scope)
	p.Scope = c.scopeWords(scope)
	for _, s := range shop.Registry() {
		if s.Section != section {
			continue
		}
		if n := len(p.Groups); n == 0 || p.Groups[n-1].Title != s.Group {
			p.Groups = append(p.Groups, settingGroup{Title: s.Group})
		}
		group := &p.Groups[len(p.Groups)-1]
		group.Fields = append(group.Fields, c.settingField(s, scope, explicit))
	}
	if c.everywhere() {
		p.Findings = shop.Check(c.snap)
		ranks := []shop.Severity{shop.Error, shop.Warning, shop.Note}
		slices.SortStableFunc(p.Findings, func(a, b shop.Finding) int {
			return slices.Index(ranks, a.Severity) - slices.Index(ranks, b.Severity)
		})
	}
	return p
}

func (c *call) settingField(s shop.Setting, scope shop.Scope, explicit map[string]string) settingField {
	value, from := c.snap.Setting(s.Path, scope)
	_, set := explicit[s.Path]
	f := settingField{Setting: s, Value: value, Shown: s.Show(value), Keys: keys(s), Inherit: !set, Editable: s.Scopes.Has(scope.Kind),
		Inherited: c.inherited(s, scope, explicit), From: c.fromWords(from)}
	if !f.Editable {
		f.At = scopeKinds(s.Scopes.Kinds())
	}
	switch s.Type {
	case shop.YesNo:
		f.Choices = options(value, [2]string{"1", "Yes"}, [2]string{"0", "No"})
	case shop.Choice:
		for _, o := range s.Options {
			f.Choices = append(f.Choices, option{Value: o.Value, Text: o.Label, Selected: o.Value == value})
		}
	}
	return f
}

func keys(s shop.Setting) string {
	switch {
	case s.Type == shop.WebAddress:
		return "url"
	case s.Unit == "":
		return "numeric"
	}
	return "text"
}

// inherited is the value that holds at a scope when nothing is set there: what the preset of that scope supplies, else
// what holds at the scope above, else the built-in one.
func (c *call) inherited(s shop.Setting, scope shop.Scope, explicit map[string]string) string {
	for _, preset := range shop.Presets() {
		if value, ok := preset.Defaults[s.Path]; ok && preset.Code == explicit[shop.PasswordPreset] {
			return value
		}
	}
	if scope.Kind == shop.Default {
		return s.Default
	}
	above := shop.Scope{Kind: shop.Default}
	if v, ok := c.snap.View(scope.ID); ok && scope.Kind == shop.Stores {
		above = shop.Scope{Kind: shop.Websites, ID: v.WebsiteID}
	}
	value, _ := c.snap.Setting(s.Path, above)
	return value
}

// seen condenses what is set at a scope, so that a page that is out of date can be told from one that is not.
func seen(explicit map[string]string) string {
	sum := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(explicit)) {
		fmt.Fprintf(sum, "%s=%q\n", path, explicit[path])
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// again puts what was typed back into the fields, with the reasons beside them.
func (p *configPage) again(v web.Values, faults []*fault.Error) {
	p.Summary = &summary{}
	for _, f := range faults {
		p.Summary.Items = append(p.Summary.Items, problem{f.Field, f.Text})
	}
	for g := range p.Groups {
		for i := range p.Groups[g].Fields {
			f := &p.Groups[g].Fields[i]
			if !f.Editable {
				continue
			}
			f.Value, f.Inherit = v.Get(f.Path), v.Has(inheritName(f.Path))
			for j := range f.Choices {
				f.Choices[j].Selected = f.Choices[j].Value == f.Value
			}
			for _, one := range faults {
				if one.Field == f.Path && f.Error == "" {
					f.Error = one.Text
				}
			}
		}
	}
}

// InheritName is the name of the box of a field.
func (f settingField) InheritName() string { return inheritName(f.Path) }

func inheritName(path string) string { return "inherit:" + path }

func configURL(section, scope string) string {
	v := url.Values{}
	if section != sections()[0] {
		v.Set("section", section)
	}
	if scope != "" {
		v.Set("scope", scope)
	}
	return withQuery(configPath, v)
}
