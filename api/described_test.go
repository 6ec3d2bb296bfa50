package api

import (
	"maps"
	"os"
	"slices"
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
		var callers []string
		for _, one := range operation.Security {
			callers = slices.AppendSeq(callers, maps.Keys(one))
		}
		var want []string
		if r.self {
			want = []string{"customer"}
			if r.scope != "" {
				want = append(want, "app")
			}
		} else if r.right != "" {
			want = []string{"staff", "integration"}
		}
		if !slices.Equal(callers, want) {
			t.Errorf("%s %s: openapi.yaml says that it is for %v, and the route for %v", r.method, r.path, callers, want)
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
