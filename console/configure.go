package console

import (
	"context"
	"errors"
	"net/http"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web"
)

// configure saves a section: all of it with its lines of the audit, or nothing.
func (c *call) configure() error {
	section, scope, err := c.section()
	if err != nil {
		return err
	}
	fields := []string{"seen"}
	var settings []shop.Setting
	for _, s := range shop.Registry() {
		if s.Section == section && s.Scopes.Has(scope.Kind) {
			settings = append(settings, s)
			fields = append(fields, s.Path, inheritName(s.Path))
		}
	}
	v, err := web.Form(c.r, fields...)
	if err != nil {
		return err
	}
	var changes int
	err = c.DB.Write(c.r.Context(), func(tx *db.Tx) error {
		changes, err = c.save(c.r.Context(), tx, settings, scope, v)
		return err
	})
	if faults, ok := mendable(err); ok {
		p := c.configPage(section, scope)
		p.again(v, faults)
		status := http.StatusUnprocessableEntity
		if faults[0].Kind == fault.Conflict {
			status = http.StatusConflict
		}
		return c.render(status, "configuration", p)
	}
	if err != nil {
		return err
	}
	n := web.Notice{Key: "saved"}
	if changes == 0 {
		n.Key = "saved.nothing"
	}
	return c.done(configURL(section, c.scopeName(scope)), n)
}

// save stores what differs from what is set. Errors: fault Invalid with the path as field, joined; fault Conflict when
// somebody else saved after the page was made: what they set must not be taken back unseen.
func (c *call) save(ctx context.Context, tx *db.Tx, settings []shop.Setting, scope shop.Scope, v web.Values) (changes int, err error) {
	snap, err := c.Shop.LoadIn(ctx, tx)
	if err != nil {
		return 0, err
	}
	explicit := snap.Explicit(scope)
	if v.Get("seen") != seen(explicit) {
		return 0, fault.New(fault.Conflict, "configuration.stale",
			"Somebody else saved this page after you opened it. Look at your values below once more, and save again.")
	}
	var refusals []error
	for _, s := range settings {
		if !v.Has(s.Path) {
			continue // not on the page that was sent
		}
		before, was := explicit[s.Path]
		after, inherit := v.Get(s.Path), v.Has(inheritName(s.Path))
		switch {
		case inherit && !was, !inherit && was && before == after:
			continue
		case inherit:
			err = shop.Unset(ctx, tx, s.Path, scope)
		default:
			err = shop.Set(ctx, tx, s.Path, after, scope)
		}
		if f, ok := fault.As(err); ok {
			refusals = append(refusals, &fault.Error{Kind: f.Kind, Field: s.Path, Key: f.Key, Text: f.Text, Args: f.Args})
			continue
		}
		if err == nil {
			err = c.recordSetting(ctx, tx, s, scope, was, inherit, before, after)
		}
		if err != nil {
			return 0, err
		}
		changes++
	}
	return changes, errors.Join(refusals...)
}

func (c *call) recordSetting(ctx context.Context, tx *db.Tx, s shop.Setting, scope shop.Scope, was, inherit bool, before, after string) error {
	if !was {
		before = "not set here"
	}
	if inherit {
		after = "not set here"
	}
	e := audit.Entry{Action: audit.SettingChanged, Actor: c.permit.Actor(), Subject: s.Path, Origin: c.origin(),
		Detail: map[string]string{"scope": firstOf(c.scopeName(scope), shop.Default), "old": before, "new": after}}
	switch scope.Kind {
	case shop.Websites:
		e.WebsiteID = scope.ID
	case shop.Stores:
		if v, ok := c.snap.View(scope.ID); ok {
			e.WebsiteID = v.WebsiteID
		}
	}
	return audit.Record(ctx, tx, e)
}
