package farebox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Call is one of which the program knows the usage.
type Call struct {
	// Provider is who was called, as the catalog names it: openai, anthropic …
	Provider string
	Model    string
	// Usage is quantities (input_uncached, output_text …), or the provider's own usage object.
	Usage any
	Names Names
	// EventID is an id of your own: the same id with the same content is one event however often it is recorded.
	EventID string
	// At is when it happened; now where it is zero.
	At time.Time
}

// Result is what came of the work, or how good it was.
type Result struct {
	Name string
	// Value is decimal text; a score has one.
	Value   string
	Names   Names
	EventID string
	At      time.Time
}

var (
	providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	decimal      = regexp.MustCompile(`^-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?$`)
)

// Record records a call of which the program knows the usage, and returns its event id.
func Record(ctx context.Context, call Call) (string, error) {
	if !providerName.MatchString(call.Provider) {
		return "", fmt.Errorf("farebox: Provider is a name such as openai, not %q", call.Provider)
	}
	if call.Model == "" {
		return "", errors.New("farebox: Model is missing: nothing can be priced without")
	}
	text, err := json.Marshal(call.Usage)
	if err != nil || !strings.HasPrefix(string(text), "{") || string(text) == "{}" {
		return "", errors.New("farebox: Usage is an object of quantities, or the provider's own usage object")
	}
	return store(ctx, call.Names, call.EventID, call.At, map[string]any{
		"provider": call.Provider, "model": call.Model, "usage": json.RawMessage(text), "witness": "sdk",
	})
}

// Track records what a response cost, by its JSON, where no transport of ours saw it.
func Track(ctx context.Context, provider, model string, response []byte, names Names) (string, error) {
	if !providerName.MatchString(provider) {
		return "", fmt.Errorf("farebox: provider is a name such as openai, not %q", provider)
	}
	body := newBodyExcerpt("application/json")
	body.feed(response)
	text, _ := body.finish()
	request, _ := json.Marshal(map[string]string{"model": model})
	return store(ctx, names, "", time.Time{}, map[string]any{
		"provider": provider, "status": 200, "witness": "sdk",
		"excerpt": map[string]any{
			"request": string(request), "headers": map[string]string{"content-type": "application/json"}, "response": text,
		},
	})
}

// Outcome records that something was achieved.
func Outcome(ctx context.Context, result Result) (string, error) {
	return result.store(ctx, "outcome")
}

// Score records feedback, or the result of an evaluation.
func Score(ctx context.Context, result Result) (string, error) {
	if result.Value == "" {
		return "", errors.New("farebox: a score has a value")
	}
	return result.store(ctx, "score")
}

func (r Result) store(ctx context.Context, kind string) (string, error) {
	if r.Name == "" || len(r.Name) > 128 {
		return "", errors.New("farebox: a name has 1 to 128 characters")
	}
	fields := map[string]any{"type": kind, "name": r.Name}
	if r.Value != "" {
		if !decimal.MatchString(r.Value) {
			return "", fmt.Errorf("farebox: Value is a number, not %q", r.Value)
		}
		fields["value"] = r.Value
	}
	return store(ctx, r.Names, r.EventID, r.At, fields)
}

func store(ctx context.Context, names Names, id string, at time.Time, fields map[string]any) (string, error) {
	if isDisabled() {
		return "", nil
	}
	if id = strings.TrimSpace(id); id == "" {
		id = uuid7()
	} else if len(id) > 256 {
		return "", errors.New("farebox: an event id has 1 to 256 characters")
	}
	if at.IsZero() {
		at = time.Now()
	}
	event := fieldsOf(ctx, names)
	for name, value := range fields {
		event[name] = value
	}
	event["id"], event["source"], event["time"] = id, source(), moment(at)
	record(event)
	return id, nil
}
