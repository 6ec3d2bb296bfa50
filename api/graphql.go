package api

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	gql "github.com/graph-gophers/graphql-go"
	gqlerrors "github.com/graph-gophers/graphql-go/errors"
	gqllog "github.com/graph-gophers/graphql-go/log"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/web"
)

// GraphPath is where the GraphQL API answers, for the listener that mounts it.
const GraphPath = "/graphql"

// Limits of one GraphQL document. Its bytes are bounded by web.MaxBody. The longest query of a known client is a tool's
// introspection: 14 deep, some 300 fields.
const (
	MaxGraphDepth   = 16   // how deep fields may be nested
	MaxGraphFields  = 1000 // fields in all, those of fragments counted wherever they are spread
	MaxGraphAliases = 20   // fields under another name: how one request repeats an action

	maxGraphOverlaps = 50_000 // pairs of fields that the validation compares
	maxGraphErrors   = 20     // errors of one answer
)

//go:embed schema.graphql
var graphSchema string

// Graph serves the GraphQL API: the same stores and use cases as API, in Commerce's other language. It answers to POST of
// JSON only, so that no form of a foreign page can ask anything, and to one operation at a time.
type Graph struct {
	api    *API
	schema *gql.Schema
}

// NewGraph makes the GraphQL API beside a. It fails when the schema and what answers it do not fit.
func NewGraph(a *API) (*Graph, error) {
	schema, err := gql.ParseSchema(graphSchema, &graphRoot{}, gql.UseStringDescriptions(), gql.UseFieldResolvers(),
		gql.MaxDepth(MaxGraphDepth), gql.MaxSelections(MaxGraphFields), gql.OverlapValidationLimit(maxGraphOverlaps),
		gql.PanicHandler(graphPanic{}), gql.Tracer(graphVariables{}), gql.Logger(gqllog.LoggerFunc(func(ctx context.Context, _ any) {
			a.Log.LogAttrs(ctx, slog.LevelError, "panic", slog.String("stack", string(debug.Stack())))
		})))
	if err != nil {
		return nil, fmt.Errorf("api: schema.graphql: %w", err)
	}
	return &Graph{api: a, schema: schema}, nil
}

// graphPanic makes an internal error of a panic, which the door logs and nobody is shown.
type graphPanic struct{}

func (graphPanic) MakePanicError(_ context.Context, value any) *gqlerrors.QueryError {
	return &gqlerrors.QueryError{ResolverError: fmt.Errorf("panic: %v", value)}
}

// ServeHTTP answers GraphPath.
func (g *Graph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	door := web.Door{Log: g.api.Log, Fail: FailGraph, Invalid: http.StatusBadRequest}
	door.Handle(func(w http.ResponseWriter, r *http.Request) error {
		return g.serve(&call{API: g.api, w: w, r: r})
	}).ServeHTTP(w, r)
}

type graphCall struct{}

func (g *Graph) serve(c *call) error {
	if c.r.Method != http.MethodPost {
		return web.WrongMethod(http.MethodPost)
	}
	web.SetRoute(c.r, "POST "+GraphPath)
	q, err := readQuestion(c.r)
	if err != nil {
		return err
	}
	aliases, places := skim(q.query)
	if aliases > MaxGraphAliases {
		return graphRefuse(fmt.Sprintf("The query has %d aliases; at most %d are allowed. Send several requests instead.", aliases, MaxGraphAliases))
	}
	if err := c.enterByHeader(); err != nil {
		return err
	}
	ctx := context.WithValue(c.r.Context(), graphCall{}, c)
	answered := g.schema.Exec(ctx, q.query, q.operation, q.variables)
	if err := errors.Join(ctx.Err(), c.mistyped); err != nil {
		return err
	}
	return c.answerGraph(answered, places)
}

// enterByHeader finds the store view by the header Store, as Commerce's clients name it; without one, by the host. Errors:
// fault Invalid for a code that no store view has.
func (c *call) enterByHeader() error {
	code := ""
	switch given := c.r.Header.Values("Store"); {
	case len(given) > 1:
		return graphRefuse("The header Store is given more than once.")
	case len(given) == 1:
		code = given[0]
	}
	err := c.enter(code)
	if f, ok := fault.As(err); ok && f.Key == keyRoute {
		return refuse(fault.Invalid, keyStore, fmt.Sprintf("Requested store is not found (%s)", shown(code)), nil)
	}
	return err
}

// question is the body of one request.
type question struct {
	query, operation string
	variables        map[string]any
}

// readQuestion reads a body as strictly as REST does. Errors: refusals with status 400, 413 or 415.
func readQuestion(r *http.Request) (question, error) {
	raw, err := readBody(r)
	if err != nil {
		return question{}, err
	}
	if err := checkMedia(r); err != nil {
		return question{}, err
	}
	if len(raw) > 0 && raw[0] == '[' {
		return question{}, graphRefuse("Several operations in one request are not served. Send each one by itself.")
	}
	if _, err := decode(raw); err != nil {
		return question{}, err
	}
	var q question
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return question{}, undecodable("The body is not a JSON object.")
	}
	for name, into := range map[string]any{"query": &q.query, "operationName": &q.operation, "variables": &q.variables} {
		if given, ok := members[name]; ok && json.Unmarshal(given, into) != nil {
			return question{}, graphRefuse(fmt.Sprintf("%q has the wrong type.", name))
		}
	}
	if q.query == "" {
		return question{}, graphRefuse(`The body must hold a GraphQL document under "query".`)
	}
	return q, nil
}

// asked is the request that a resolver answers: a copy, because fields of a query are resolved at the same time.
func asked(ctx context.Context) *call {
	c := *ctx.Value(graphCall{}).(*call)
	return &c
}

// self is the request and the customer whose token it carries. As for Commerce, a token that is not good is the same as none.
// An app needs the scope; without one the act is the customer's own. Errors: fault Unauthenticated, Forbidden.
func self(ctx context.Context, scope string) (*call, customer.Customer, error) {
	c := asked(ctx)
	if err := c.identify(scope); err != nil {
		return nil, customer.Customer{}, err
	}
	owner, err := c.owner()
	if fault.Is(err, fault.NotFound) {
		err = notAuthorized() // deleted a moment ago
	}
	return c, owner, err
}

// graphRefuse is a refusal of the request itself, or of an argument.
func graphRefuse(text string) error { return fault.New(fault.Invalid, "", text) }

// reword gives one operation's own texts to faults, by their keys: Commerce words the same mistake in many ways.
func reword(err error, texts map[string]string) error {
	var all []error
	for _, f := range fault.List(err) {
		one := *f
		if text, ok := texts[f.Key]; ok {
			one.Key, one.Text = "", text
		}
		all = append(all, &one)
	}
	if all == nil {
		return err // nil, or internal
	}
	return errors.Join(all...)
}
