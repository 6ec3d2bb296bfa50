package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/graph-gophers/graphql-go/ast"
)

// Promise: a value of another type than an argument's is the caller's mistake, wherever in the schema it stands, and nothing that the
// caller sent is in the log. Lists and objects were answered as faults of ours, with the password in the log.
func TestAMistypedVariableIsRefusedAndNotRepeated(t *testing.T) {
	const marker = "correct-horse-battery"
	eachGraph(t, func(t *testing.T, g *graph) {
		schema, asked := g.door.Schema(), 0
		for operation, root := range map[string]string{"query": "Query", "mutation": "Mutation"} {
			for _, field := range schema.Types[root].(*ast.ObjectTypeDefinition).Fields {
				if strings.HasPrefix(field.Name, "__") || len(field.Arguments) == 0 {
					continue
				}
				for what, wrong := range map[string]any{"a list": []any{marker}, "an object": map[string]any{marker: marker}, "a number": 47.25, "a text": marker, "nothing": nil,
					"a list of lists": []any{[]any{marker}}} {
					var declared, given []string
					values := map[string]any{}
					for i, a := range field.Arguments {
						name := fmt.Sprintf("v%d", i)
						declared = append(declared, "$"+name+": "+a.Type.String())
						given = append(given, a.Name.Name+": $"+name)
						values[name] = filled(a.Type, wrong)
					}
					selection := ""
					if _, leaf := named(field.Type).(*ast.ScalarTypeDefinition); !leaf {
						selection = "{ __typename }"
					}
					document := fmt.Sprintf("%s(%s) { %s(%s) %s }", operation, strings.Join(declared, ", "), field.Name, strings.Join(given, ", "), selection)
					body, err := json.Marshal(map[string]any{"query": document, "variables": values})
					if err != nil {
						t.Fatal(err)
					}
					asked++
					if got := g.ask(ask{body: string(body)}); got.status >= http.StatusInternalServerError || what == "an object" && got.status != http.StatusBadRequest {
						t.Errorf("%s for %s: %d %.300s", what, document, got.status, got.body)
					}
				}
			}
		}
		if log := g.log.String(); strings.Contains(log, marker) || strings.Contains(log, "level=ERROR") {
			t.Errorf("the log repeats what was sent, or calls it a fault of ours:\n%.3000s", log)
		}
		if asked < 60 {
			t.Errorf("%d requests only", asked)
		}
	})
}

func named(t ast.Type) ast.Type {
	switch t := t.(type) {
	case *ast.NonNull:
		return named(t.OfType)
	case *ast.List:
		return named(t.OfType)
	}
	return t
}

// filled is a value of a type in which every scalar is the wrong one.
func filled(t ast.Type, wrong any) any {
	switch t := t.(type) {
	case *ast.NonNull:
		return filled(t.OfType, wrong)
	case *ast.List:
		return []any{filled(t.OfType, wrong)}
	case *ast.InputObject:
		object := map[string]any{}
		for _, f := range t.Values {
			object[f.Name.Name] = filled(f.Type, wrong)
		}
		return object
	}
	return wrong
}
