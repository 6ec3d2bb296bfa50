package api

import (
	"os"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"go.yaml.in/yaml/v3"
)

func TestTheDescriptionIsValid(t *testing.T) {
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		t.Error(errs)
	}
}

// What is served is described, and what is described is served.
func TestEveryRouteIsDescribed(t *testing.T) {
	var described struct {
		Paths map[string]map[string]struct {
			Security []map[string]any `yaml:"security"`
		} `yaml:"paths"`
	}
	if err := yaml.Unmarshal(openapi, &described); err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, r := range routes {
		served[r.method+" "+r.path] = true
		operation, ok := described.Paths[r.path][strings.ToLower(r.method)]
		if !ok {
			t.Errorf("%s %s is not in openapi.yaml", r.method, r.path)
		}
		if r.self != (len(operation.Security) > 0) {
			t.Errorf("%s %s: openapi.yaml disagrees about whether it needs a token", r.method, r.path)
		}
	}
	for path, operations := range described.Paths {
		for method := range operations {
			if !served[strings.ToUpper(method)+" "+path] {
				t.Errorf("%s %s is described and not served", method, path)
			}
		}
	}
}
