package demo

import (
	"context"
	"net"
	"net/url"

	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/shop"
)

// The two websites. The first is the one that every new database has, so that programs which name no store reach it.
const (
	lune      = "base"
	nordlicht = "nordlicht"
)

// view is one store view of the demo.
type view struct {
	website, code, path string
	fields              shop.ViewFields
}

func views() []view {
	moon := shop.ViewFields{
		TimeZone: "Europe/Paris", Accent: "#aa4933", LogoText: "Maison Lune",
		SenderName: "Maison Lune", SenderEmail: "bonjour@maison-lune.example",
		SupportEmail: "service@maison-lune.example", SupportPhone: "+33 1 99 00 47 11", // a number that is nobody's (Arcep)
	}
	north := shop.ViewFields{
		TimeZone: "Europe/Berlin", Accent: "#0f766e", LogoText: "Nordlicht Outdoor",
		SenderName: "Nordlicht Outdoor", SenderEmail: "post@nordlicht.example",
		SupportEmail: "hilfe@nordlicht.example", SupportPhone: "+49 30 23125 008", // a number that is nobody's (Bundesnetzagentur)
	}
	in := func(f shop.ViewFields, name, locale string, position int) shop.ViewFields {
		f.Name, f.Locale, f.Position = name, locale, position
		return f
	}
	return []view{
		{lune, "default", "", in(moon, "Maison Lune, English", "en_GB", 0)},
		{lune, "lune_fr", "/fr", in(moon, "Maison Lune, français", "fr_FR", 1)},
		{nordlicht, "nordlicht_en", "", in(north, "Nordlicht, English", "en_GB", 0)},
		{nordlicht, "nordlicht_de", "/de", in(north, "Nordlicht, Deutsch", "de_DE", 1)},
	}
}

// bases are the addresses of the two websites, without a slash at the end.
func bases(at app.Addresses) map[string]string {
	u, err := url.Parse(at.Storefront)
	if err != nil {
		return map[string]string{lune: at.Storefront, nordlicht: at.Storefront + "/nordlicht"}
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return map[string]string{lune: at.Storefront, nordlicht: at.Storefront + "/nordlicht"}
	}
	// Two names of this machine, so that a browser takes them for two stores.
	host := func(name string) string {
		if u.Port() == "" {
			return "http://" + name
		}
		return "http://" + net.JoinHostPort(name, u.Port())
	}
	return map[string]string{lune: host("127.0.0.1"), nordlicht: host("localhost")}
}

// readdress makes the websites and store views, or brings their base URLs up to date with where the server listens now.
func readdress(ctx context.Context, h *app.House, at app.Addresses) error {
	base := bases(at)
	return h.DB.Write(ctx, func(tx *db.Tx) error {
		if _, err := shop.CreateWebsite(ctx, tx, nordlicht, "Nordlicht Outdoor"); err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
		stores, err := h.Shop.LoadIn(ctx, tx)
		if err != nil {
			return err
		}
		for _, v := range views() {
			website, _ := stores.WebsiteByCode(v.website) // one is in every database, the other was just made
			fields := v.fields
			if there, ok := stores.ViewByCode(v.code); ok {
				if there.SenderEmail != "" {
					fields = there.Fields() // somebody may have tried the console
				}
				fields.BaseURL = base[v.website] + v.path
				err = h.Shop.UpdateView(ctx, tx, there.ID, fields)
			} else {
				fields.BaseURL = base[v.website] + v.path
				_, err = h.Shop.CreateView(ctx, tx, website.ID, v.code, fields)
			}
			if err != nil {
				return err
			}
		}
		first, _ := stores.WebsiteByCode(lune)
		return shop.RenameWebsite(ctx, tx, first.ID, "Maison Lune")
	})
}
