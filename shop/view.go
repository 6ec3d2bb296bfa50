package shop

import (
	"cmp"
	"net/url"
	"time"
	_ "time/tzdata" // a container may have no zones of its own, and a letter names one

	"github.com/rekeyhq/rekey/lang"
	"github.com/rekeyhq/rekey/secret/breached"
)

// Website is the scope of a customer account: one address, one account. It answers for the settings in force for it.
type Website struct {
	ID         int64
	Code, Name string

	inForce
}

// View is a store view: a language, a domain and a face of a website. It answers for the settings in force for it.
type View struct {
	ID        int64
	WebsiteID int64
	Website   *Website
	Code      string
	Name      string // for administrators; shoppers read StoreName
	Locale    string // "fr_FR"
	TimeZone  string // IANA name

	// BaseURL is absolute and without a slash at its end: "https://shop.example/fr". It is empty when none is set,
	// and then no letter of this view can be written.
	BaseURL     string
	LentBaseURL bool // it comes from Shop.DevBaseURL, not from the table

	Accent       string // "#rrggbb", lower-case
	LogoText     string // what stands where a logo would
	SenderName   string
	SenderEmail  string
	SupportEmail string
	SupportPhone string
	Position     int // order within the website; the first view is the website's default

	location *time.Location
	base     baseURL
	breached *breached.List
	inForce
}

// Contact is the address that customers are told to write to: the support's, else the sender's.
func (v *View) Contact() string { return cmp.Or(v.SupportEmail, v.SenderEmail) }

// StoreName is what shoppers call the store: the logo's text, else the sender's name, else the website's.
func (v *View) StoreName() string {
	switch {
	case v.LogoText != "":
		return v.LogoText
	case v.SenderName != "":
		return v.SenderName
	default:
		return v.Website.Name
	}
}

// Lang is the language of the view's pages and letters.
func (v *View) Lang() *lang.Lang { return lang.For(v.Locale) }

// Location is the zone in which the view tells time.
func (v *View) Location() *time.Location { return v.location }

// Link is the absolute address of a path of this view, made from its base URL alone. A path begins with a slash.
func (v *View) Link(path string, query url.Values) string {
	if len(query) == 0 {
		return v.BaseURL + path
	}
	return v.BaseURL + path + "?" + query.Encode()
}

// Path is the address of a path of this view on its own host, for the links of its pages.
func (v *View) Path(path string) string { return v.base.prefix + path }

// OnAccent is the colour of text on the accent: "#ffffff" or "#000000", whichever can be read.
func (v *View) OnAccent() string { return onAccent(v.Accent) }
