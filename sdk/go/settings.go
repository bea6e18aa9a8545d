// Package farebox meters every LLM call of a Go program: who used what, and for how much.
//
//	client := &http.Client{Transport: farebox.Transport(nil)}
//	ctx = farebox.Attribute(ctx, farebox.Names{Customer: "acme"})
//
// Events wait in the home's spool for the next Farebox command, or go to a collector. Nothing of what is said in
// a call leaves the program.
package farebox

import (
	"errors"
	"fmt"
	"log"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"
)

const version = "0.1.0"

// Settings say where events go, and what is metered. What is empty is as the environment says.
type Settings struct {
	// Home is the state directory: FAREBOX_HOME, else where the platform keeps a user's data.
	Home string
	// Collector is the address of a Farebox that gets the events (FAREBOX_COLLECTOR); "none" for none.
	Collector string
	// Token is one of scope ingest there (FAREBOX_TOKEN).
	Token string
	// Providers says who is behind addresses that the catalog does not know: {"http://localhost:11434": "ollama"}.
	Providers map[string]string
	// FlushInterval is the time between two files, or two batches; a second where it is 0.
	FlushInterval time.Duration
	// SpoolBytes is how many bytes of events wait on the disk; 64 MiB where it is 0.
	SpoolBytes int64
	// OnError is called with every error of Farebox's own; these never reach the code that makes the calls.
	OnError func(err error, doing string)
}

type declared struct {
	base     *url.URL
	provider string
}

var (
	configuring sync.Mutex
	settings    Settings
	providers   []declared
	told        = map[string]bool{}
)

var tokenForm = regexp.MustCompile(`^[\x21-\x7e]{0,512}$`)

// Configure says where events go and what is metered. Call it before the first call; it starts anew.
func Configure(given Settings) error {
	if given.Collector != "" && given.Collector != "none" {
		checked, err := collectorURL(given.Collector)
		if err != nil {
			return err
		}
		given.Collector = checked
	}
	if !tokenForm.MatchString(given.Token) {
		return errors.New("farebox: Token is not what `farebox tokens create` shows")
	}
	var found []declared
	for address, provider := range given.Providers {
		base, err := url.Parse(address)
		if err != nil || base.Host == "" {
			return fmt.Errorf("farebox: Providers: %q is no address such as http://localhost:11434", address)
		}
		found = append(found, declared{base, provider})
	}
	configuring.Lock()
	settings, providers = given, found
	configuring.Unlock()
	beginAnew()
	return nil
}

func current() Settings {
	configuring.Lock()
	defer configuring.Unlock()
	return settings
}

func isDisabled() bool {
	switch strings.ToLower(strings.TrimSpace(os.Getenv("FAREBOX_DISABLED"))) {
	case "", "0", "false", "no":
		return false
	}
	return true
}

// report tells each kind of error of our own once, and hands all of them on.
func report(err error, doing string) {
	defer func() { _ = recover() }() // an OnError that panics changes nothing
	configuring.Lock()
	kind := doing + ": " + err.Error()
	isNew := !told[kind] && len(told) < 100
	told[kind] = true
	hook := settings.OnError
	configuring.Unlock()
	if hook != nil {
		hook(err, doing)
	} else if isNew {
		log.Printf("farebox: %s: %v", doing, err)
	}
}

// guarded runs our own work so that nothing of it reaches the caller.
func guarded(doing string, work func()) {
	defer func() {
		if fault := recover(); fault != nil {
			report(fmt.Errorf("%v", fault), doing)
		}
	}()
	work()
}

func collectorAddress() string {
	if given := current().Collector; given != "" {
		return strings.TrimSuffix(given, "none")
	}
	named := strings.TrimSpace(os.Getenv("FAREBOX_COLLECTOR"))
	if named == "" {
		return ""
	}
	checked, err := collectorURL(named)
	if err != nil {
		report(err, "reading FAREBOX_COLLECTOR") // events stay on this machine, where they can be had
	}
	return checked
}

func collectorToken() string {
	if given := current().Token; given != "" {
		return given
	}
	return strings.TrimSpace(os.Getenv("FAREBOX_TOKEN"))
}

func collectorURL(text string) (string, error) {
	found, err := url.Parse(text)
	if err != nil || (found.Scheme != "http" && found.Scheme != "https") || found.Host == "" || found.User != nil || found.RawQuery != "" {
		return "", errors.New("farebox: Collector is an address such as https://farebox.example.com, without a user name or a query; " +
			"the token is given as Token or FAREBOX_TOKEN")
	}
	if found.Scheme == "http" && !isLoopback(found.Hostname()) {
		return "", fmt.Errorf("farebox: Collector http://%s is refused: the token would travel in the clear; use https://", found.Hostname())
	}
	return strings.TrimRight(found.String(), "/"), nil
}

var loopback = regexp.MustCompile(`^(?:localhost|::1|127(?:\.\d+){3})$`)

func isLoopback(host string) bool { return loopback.MatchString(host) }

func homeFolder() string {
	for _, named := range []string{current().Home, os.Getenv("FAREBOX_HOME")} {
		if named == "" {
			continue
		}
		if user, err := os.UserHomeDir(); err == nil && strings.HasPrefix(named, "~/") {
			named = filepath.Join(user, named[2:])
		}
		if absolute, err := filepath.Abs(named); err == nil {
			return absolute
		}
		return named
	}
	user, _ := os.UserHomeDir()
	if runtime.GOOS == "darwin" {
		return filepath.Join(user, "Library", "Application Support", "farebox")
	}
	if data := strings.TrimSpace(os.Getenv("XDG_DATA_HOME")); data != "" {
		return filepath.Join(data, "farebox")
	}
	return filepath.Join(user, ".local", "share", "farebox")
}

// providerAt returns who is behind an address and the path that its own ones begin with; "" for nobody.
func providerAt(address *url.URL) (provider, base string) {
	configuring.Lock()
	defer configuring.Unlock()
	longest := -1
	for _, each := range providers {
		path := strings.TrimRight(each.base.Path, "/")
		isBelow := path == "" || address.Path == path || strings.HasPrefix(address.Path, path+"/")
		if each.base.Scheme == address.Scheme && strings.EqualFold(each.base.Host, address.Host) && isBelow && len(path) > longest {
			provider, base, longest = each.provider, path, len(path)
		}
	}
	if provider != "" {
		return provider, base
	}
	host := strings.ToLower(address.Hostname())
	if found := exactHosts[host]; found != "" {
		return found, ""
	}
	for _, each := range hostPatterns {
		if each.pattern.MatchString(host) {
			return each.provider, ""
		}
	}
	return "", ""
}
