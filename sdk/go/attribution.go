package farebox

import (
	"context"
	"os"
	"strconv"
	"strings"
)

// Names say whose a call is. What is empty is not said.
type Names struct {
	Customer, User, Agent, Session, Task, Project, App, Step, ParentStep string
	// Tags are dimensions of your own; names fold to lower case.
	Tags map[string]string
}

type attributionKey struct{}

const valueMax = 256

// Attribute returns a context whose calls belong to those named. Inner names win.
func Attribute(ctx context.Context, names Names) context.Context {
	said := map[string]string{}
	for name, value := range around(ctx) {
		said[name] = value
	}
	names.put(said)
	return context.WithValue(ctx, attributionKey{}, said)
}

// around returns what is said around the code that runs: name to value, tags as tag.<name>.
func around(ctx context.Context) map[string]string {
	said, _ := ctx.Value(attributionKey{}).(map[string]string)
	return said
}

func (n Names) put(said map[string]string) {
	put := func(name, value string) {
		value = withoutKeys(strings.TrimSpace(value))
		if letters := []rune(value); len(letters) > valueMax {
			value = string(letters[:valueMax])
		}
		if value != "" {
			said[name] = value
		}
	}
	put("customer", n.Customer)
	put("user", n.User)
	put("agent", n.Agent)
	put("session", n.Session)
	put("task", n.Task)
	put("project", n.Project)
	put("app", n.App)
	put("step", n.Step)
	put("parent_step", n.ParentStep)
	for name, value := range n.Tags {
		put("tag."+strings.ToLower(strings.TrimSpace(name)), value)
	}
}

var labels = []string{"app", "session", "customer", "user", "agent", "task", "project"}

// fieldsOf returns the fields of an event that say whose it is: what is said with it, and around it.
func fieldsOf(ctx context.Context, given Names) map[string]any {
	tags, others, from := map[string]string{}, map[string]string{}, map[string]string{}
	fields := map[string]any{"tags": tags, "attribution": others, "attribution_from": from}
	write := func(name, value, by string) {
		switch {
		case strings.HasPrefix(name, "tag."):
			tags[name[4:]] = value
		case strings.HasPrefix(name, "process."):
			others[name] = value
		default:
			fields[name] = value
		}
		from[name] = by
	}
	write("process.pid", strconv.Itoa(os.Getpid()), "process")
	write("process.command", program(), "process")
	write("app", program(), "process:command")
	for _, label := range labels {
		variable := "FAREBOX_" + strings.ToUpper(label)
		if value := strings.TrimSpace(os.Getenv(variable)); value != "" {
			write(label, value, "env:"+variable)
		}
	}
	for name, value := range around(ctx) {
		write(name, value, "sdk:attribute")
	}
	said := map[string]string{}
	given.put(said)
	for name, value := range said {
		write(name, value, "sdk:event")
	}
	return fields
}
