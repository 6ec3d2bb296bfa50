package main

import (
	"context"
	"fmt"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/shop"
)

type configCommands struct {
	Set   configSet   `cmd:"" help:"Set a value, in force at once on every node."`
	Unset configUnset `cmd:"" help:"Take a value away: use the default."`
	Get   configGet   `cmd:"" help:"Tell the value in force."`
	Show  configShow  `cmd:"" help:"List every setting with the value in force and where it comes from."`
	Check configCheck `cmd:"" help:"Look for what stops or weakens the store."`
}

// scope are the flags that say for whom a setting holds.
type scope struct {
	Scope     string `placeholder:"SCOPE" help:"For whom: default, websites or stores."`
	ScopeCode string `placeholder:"CODE" help:"Code of the website or store view."`
}

func (s scope) of(stores *shop.Snapshot) (shop.Scope, error) {
	return stores.ScopeOf(s.Scope, s.ScopeCode)
}

func (s scope) String() string {
	if s.Scope == "" || s.Scope == shop.Default {
		return shop.Default
	}
	return s.Scope + " " + s.ScopeCode
}

type configSet struct {
	place
	scope
	Path  string `arg:"" help:"Path of the setting."`
	Value string `arg:"" help:"Its value."`
}

// Run sets the value.
func (c *configSet) Run(ctx context.Context, sh shell) error {
	return c.change(ctx, func(h *app.House) error {
		set := func(tx *db.Tx, s shop.Scope) error { return shop.Set(ctx, tx, c.Path, c.Value, s) }
		if err := changeSetting(ctx, h, c.scope, c.Path, c.Value, set); err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "%s = %s (%s)\n", c.Path, c.Value, c.scope)
		return nil
	})
}

type configUnset struct {
	place
	scope
	Path string `arg:"" help:"Path of the setting."`
}

// Run takes the value away.
func (c *configUnset) Run(ctx context.Context, sh shell) error {
	return c.change(ctx, func(h *app.House) error {
		unset := func(tx *db.Tx, s shop.Scope) error { return shop.Unset(ctx, tx, c.Path, s) }
		if err := changeSetting(ctx, h, c.scope, c.Path, "", unset); err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "%s has no value of its own any more (%s)\n", c.Path, c.scope)
		return nil
	})
}

// changeSetting changes one value and records it, with the value before.
func changeSetting(ctx context.Context, h *app.House, at scope, path, value string, change func(*db.Tx, shop.Scope) error) error {
	return h.DB.Write(ctx, func(tx *db.Tx) error {
		stores, err := h.Shop.LoadIn(ctx, tx)
		if err != nil {
			return err
		}
		if _, err := shop.Named(path); err != nil {
			return err
		}
		s, err := at.of(stores)
		if err != nil {
			return err
		}
		if err := change(tx, s); err != nil {
			return err
		}
		entry := audit.Entry{Action: audit.SettingChanged, Actor: operator(admin.EditSettings), Subject: path,
			Detail: map[string]string{"from": stores.Explicit(s)[path], "to": value, "scope": at.String()}}
		switch s.Kind {
		case shop.Websites:
			entry.WebsiteID = s.ID
		case shop.Stores:
			view, _ := stores.View(s.ID) // ScopeOf has found it
			entry.WebsiteID = view.WebsiteID
		}
		return audit.Record(ctx, tx, entry)
	})
}

// settingRow is one setting as programs read it.
type settingRow struct {
	Path     string `json:"path"`
	Value    string `json:"value"`
	From     string `json:"from"` // built-in, preset, default, websites or stores
	FromCode string `json:"from_code,omitempty"`
	Label    string `json:"label"`
	Unit     string `json:"unit,omitempty"`
}

func settingAt(stores *shop.Snapshot, s shop.Scope, setting shop.Setting) settingRow {
	value, from := stores.Setting(setting.Path, s)
	row := settingRow{Path: setting.Path, Value: value, From: from.Kind, Label: setting.Label, Unit: setting.Unit}
	switch from.Kind {
	case shop.Stores:
		view, _ := stores.View(from.ID) // a value comes from a scope that is there
		row.FromCode = view.Code
	case shop.Websites, shop.FromPreset:
		row.FromCode = websiteCode(stores, from.ID)
	}
	return row
}

type configGet struct {
	place
	scope
	listing
	Path string `arg:"" help:"Path of the setting."`
}

// Run tells the value.
func (c *configGet) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		setting, err := shop.Named(c.Path)
		if err != nil {
			return err
		}
		stores, err := h.Shop.Load(ctx)
		if err != nil {
			return err
		}
		s, err := c.of(stores)
		if err != nil {
			return err
		}
		row := settingAt(stores, s, setting)
		if c.JSON {
			return sh.writeJSON(row)
		}
		fmt.Fprintln(sh.out, row.Value)
		return nil
	})
}

type configShow struct {
	place
	scope
	listing
}

// Run lists the settings.
func (c *configShow) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		stores, err := h.Shop.Load(ctx)
		if err != nil {
			return err
		}
		s, err := c.of(stores)
		if err != nil {
			return err
		}
		rows := []settingRow{}
		for _, setting := range shop.Registry() {
			rows = append(rows, settingAt(stores, s, setting))
		}
		if c.JSON {
			return sh.writeJSON(rows)
		}
		t := newTable(sh.out, "PATH", "VALUE", "UNIT", "FROM")
		for _, r := range rows {
			from := r.From
			if r.FromCode != "" {
				from += " " + r.FromCode
			}
			t.row(r.Path, r.Value, r.Unit, from)
		}
		return t.end()
	})
}

type configCheck struct {
	place
	listing
}

type findingRow struct {
	Severity string `json:"severity"`
	Text     string `json:"text"`
	Fix      string `json:"fix,omitempty"`
}

// Run looks over the store; it fails when something stops pages or letters.
func (c *configCheck) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		stores, err := h.Shop.Load(ctx)
		if err != nil {
			return err
		}
		rows, grave := []findingRow{}, 0
		for _, f := range shop.Check(stores) {
			rows = append(rows, findingRow{string(f.Severity), f.Text, f.Fix})
			if f.Severity == shop.Error {
				grave++
			}
		}
		if c.JSON {
			if err := sh.writeJSON(rows); err != nil {
				return err
			}
		} else {
			for _, r := range rows {
				fmt.Fprintf(sh.out, "%-8s %s\n", r.Severity, r.Text)
				if r.Fix != "" {
					fmt.Fprintf(sh.out, "%-8s %s\n", "", r.Fix)
				}
			}
			if len(rows) == 0 {
				fmt.Fprintln(sh.out, "Nothing to mend.")
			}
		}
		if grave > 0 {
			return fmt.Errorf("%d of these must be mended before the store works", grave)
		}
		return nil
	})
}
