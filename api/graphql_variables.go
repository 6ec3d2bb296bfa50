package api

import (
	"context"
	"fmt"
	"math"

	gqlerrors "github.com/graph-gophers/graphql-go/errors"
	"github.com/graph-gophers/graphql-go/introspection"
	"github.com/graph-gophers/graphql-go/trace/noop"
)

// graphVariables refuses an operation before anything of it is done, if a variable is not of the type that it is declared with (GraphQL
// specification, section 6.1.2). The library looks at enumerations and objects only. Of other types it finds out while it chooses what
// to resolve: it quotes the value, and resolves what it has chosen before.
type graphVariables struct{ noop.Tracer }

// TraceQuery is called when the document has been read, and nothing resolved.
func (graphVariables) TraceQuery(ctx context.Context, _, _ string, given map[string]any, types map[string]*introspection.Type) (context.Context, func([]*gqlerrors.QueryError)) {
	for name, t := range types {
		if value, ok := given[name]; ok && !fits(t, value) {
			ctx.Value(graphCall{}).(*call).mistyped = graphRefuse(fmt.Sprintf("The variable $%s is of another type than it is declared with.", shown(name)))
			stopped, stop := context.WithCancel(ctx)
			stop()
			ctx = stopped
		}
	}
	return ctx, func([]*gqlerrors.QueryError) {}
}

// fits tells whether a value of JSON, or a default, can be one of a type. The schema has no scalars of its own.
func fits(t *introspection.Type, value any) bool {
	if t.Kind() == "NON_NULL" {
		return value != nil && fits(t.OfType(), value)
	}
	if value == nil {
		return true
	}
	switch t.Kind() {
	case "LIST":
		list, ok := value.([]any)
		if !ok {
			return fits(t.OfType(), value) // one alone is a list of one
		}
		for _, one := range list {
			if !fits(t.OfType(), one) {
				return false
			}
		}
		return true
	case "INPUT_OBJECT":
		object, ok := value.(map[string]any)
		if !ok {
			return false
		}
		for _, field := range *t.InputFields(&struct{ IncludeDeprecated bool }{true}) {
			if one, given := object[field.Name()]; given && !fits(field.Type(), one) {
				return false
			}
		}
		return true
	}
	switch *t.Name() {
	case "Int":
		n, ok := number64(value)
		return ok && n == math.Trunc(n) && n >= math.MinInt32 && n <= math.MaxInt32
	case "Float":
		_, ok := number64(value)
		return ok
	case "Boolean":
		_, ok := value.(bool)
		return ok
	}
	_, ok := value.(string) // String, ID, and the name of an enumeration's value
	return ok
}

func number64(value any) (float64, bool) {
	switch n := value.(type) {
	case float64:
		return n, true
	case int32:
		return float64(n), true
	case int:
		return float64(n), true
	}
	return 0, false
}
