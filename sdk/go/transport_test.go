package farebox

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

const (
	chatPath = "/v1/chat/completions"
	asked    = `{"model":"gpt-4o","messages":[{"role":"user","content":"a secret"}]}`
	chat     = `{"id":"chatcmpl-1","model":"gpt-4o-2024-08-06","choices":[{"message":{"content":"a secret"}}],` +
		`"usage":{"prompt_tokens":100,"completion_tokens":20}}`
)

var chatEvents = []string{
	`data: {"id":"c","model":"gpt-4o","choices":[{"delta":{"content":"a "}}]}` + "\n\n",
	`data: {"id":"c","model":"gpt-4o","choices":[{"delta":{"content":"secret"},"finish_reason":"stop"}]}` + "\n\n",
	`data: {"id":"c","model":"gpt-4o","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":20}}` + "\n\n",
	"data: [DONE]\n\n",
}

type event struct {
	ID, Type, Name, Value, Provider, Model, Customer, User, Task, Path, Outcome string
	ErrorClass                                                                  string `json:"error_class"`
	Billable                                                                    *bool
	Tags, Lost                                                                  map[string]string
	Records                                                                     int
	Usage                                                                       json.RawMessage
	Excerpt                                                                     struct{ Request, Response string }
}

// serve makes a provider and a home of the test's own; returns its address and the home.
func serve(t *testing.T, respond http.HandlerFunc) (string, string) {
	server := httptest.NewServer(respond)
	t.Cleanup(server.Close)
	return server.URL, atHome(t, server.URL)
}

func atHome(t *testing.T, address string) string {
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	configure(t, Settings{Home: home, Collector: "none", Providers: map[string]string{address: "openai"}})
	return home
}

func configure(t *testing.T, given Settings) {
	if given.OnError == nil {
		given.OnError = func(err error, doing string) { t.Logf("%s: %v", doing, err) }
	}
	if err := Configure(given); err != nil {
		t.Fatal(err)
	}
}

func recorded(t *testing.T, home string) []event {
	_ = Flush(context.Background())
	files, _ := filepath.Glob(filepath.Join(home, "spool", "*"))
	sort.Strings(files)
	var found []event
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			if strings.Contains(line, "secret") {
				t.Errorf("a word of the call is in %s", line)
			}
			var each event
			if err := json.Unmarshal([]byte(line), &each); err != nil {
				t.Fatal(err)
			}
			found = append(found, each)
		}
	}
	return found
}

func post(t *testing.T, ctx context.Context, address string) *http.Response {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address+chatPath, strings.NewReader(asked))
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: Transport(nil)}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func expect(t *testing.T, got, wanted any) {
	t.Helper()
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(wanted)
	if string(g) != string(w) {
		t.Errorf("got %s, wanted %s", g, w)
	}
}

func TestACallIsRecordedWithoutAWordOfWhatWasSaid(t *testing.T) {
	address, home := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-type", "application/json")
		_, _ = io.WriteString(w, chat)
	})
	ctx := Attribute(context.Background(), Names{Customer: "acme", Tags: map[string]string{"Feature": "summary"}})
	body, _ := io.ReadAll(post(t, ctx, address).Body)
	expect(t, string(body), chat)
	found := recorded(t, home)
	expect(t, len(found), 1)
	expect(t, []string{found[0].Provider, found[0].Customer, found[0].Tags["feature"], found[0].Path, found[0].Outcome},
		[]string{"openai", "acme", "summary", chatPath, "completed"})
	expect(t, found[0].Excerpt.Request, `{"model":"gpt-4o"}`)
	if !strings.Contains(found[0].Excerpt.Response, `"usage":{"prompt_tokens":100,"completion_tokens":20}`) {
		t.Error(found[0].Excerpt.Response)
	}
}

func TestAStreamIsHandedOnEventByEvent(t *testing.T) {
	next := make(chan bool)
	address, home := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-type", "text/event-stream")
		for _, each := range chatEvents {
			_, _ = io.WriteString(w, each)
			w.(http.Flusher).Flush()
			<-next // the next event is sent once this one has arrived
		}
	})
	response := post(t, context.Background(), address)
	buffer := make([]byte, 4096)
	for _, wanted := range chatEvents {
		n, err := io.ReadFull(response.Body, buffer[:len(wanted)])
		if err != nil || string(buffer[:n]) != wanted {
			t.Fatalf("got %q, %v", buffer[:n], err)
		}
		next <- true
	}
	if _, err := response.Body.Read(buffer); err != io.EOF {
		t.Fatal(err)
	}
	found := recorded(t, home)
	if !strings.HasSuffix(found[0].Excerpt.Response, "data: [DONE]\n\n") {
		t.Error(found[0].Excerpt.Response)
	}
}

func TestLeavingAStreamIsRecordedSoAndLeavingAWholeResponseIsNot(t *testing.T) {
	address, home := serve(t, func(w http.ResponseWriter, request *http.Request) {
		_, _ = io.WriteString(w, chatEvents[0])
		w.(http.Flusher).Flush()
		if request.Header.Get("x-whole") == "" {
			<-request.Context().Done()
		}
	})
	response := post(t, context.Background(), address)
	_, _ = response.Body.Read(make([]byte, 10))
	response.Body.Close()
	response.Body.Close() // twice is once
	expect(t, recorded(t, home)[0].Outcome, "client_disconnected")
	address, home = serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, chat) })
	response = post(t, context.Background(), address)
	_, _ = io.ReadFull(response.Body, make([]byte, len(chat)))
	response.Body.Close()
	expect(t, recorded(t, home)[0].Outcome, "completed")
}

func TestErrorsAreThoseOfTheTransportBelow(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + listener.Addr().String()
	listener.Close()
	home := atHome(t, address)
	_, err = (&http.Client{Transport: Transport(nil)}).Post(address+chatPath, "application/json", strings.NewReader(asked))
	var below *net.OpError
	if !errors.As(err, &below) {
		t.Fatal(err)
	}
	found := recorded(t, home)
	expect(t, []any{found[0].Outcome, found[0].ErrorClass, found[0].Billable}, []any{"upstream_failed", "connect_failed", false})
}

func TestACancelledCallIsRecordedSo(t *testing.T) {
	address, home := serve(t, func(w http.ResponseWriter, request *http.Request) {
		_, _ = io.WriteString(w, chatEvents[0])
		w.(http.Flusher).Flush()
		<-request.Context().Done()
	})
	ctx, cancel := context.WithCancel(context.Background())
	response := post(t, ctx, address)
	cancel()
	if _, err := io.ReadAll(response.Body); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	expect(t, recorded(t, home)[0].Outcome, "client_disconnected")
}

func TestAPackedResponseIsUnpackedOnTheWayToTheRecordAlone(t *testing.T) {
	address, home := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-encoding", "gzip")
		packer := gzip.NewWriter(w)
		_, _ = io.WriteString(packer, chat)
		packer.Close()
	})
	request, _ := http.NewRequest(http.MethodPost, address+chatPath, strings.NewReader(asked))
	request.Header.Set("accept-encoding", "gzip") // or the transport unpacks it itself
	response, err := Transport(nil).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	expect(t, body[:2], []byte{0x1f, 0x8b})
	expect(t, response.Request == request, true)
	if found := recorded(t, home); !strings.Contains(found[0].Excerpt.Response, `"usage":`) {
		t.Error(found[0].Excerpt.Response)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

func TestTransportsInsideEachOtherRecordACallOnce(t *testing.T) {
	address, home := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, chat) })
	inner := Transport(nil)
	client := &http.Client{Transport: Transport(roundTripper(inner.RoundTrip))}
	response, err := client.Post(address+chatPath, "application/json", strings.NewReader(asked))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(response.Body)
	expect(t, len(recorded(t, home)), 1)
	if Transport(inner) != inner {
		t.Error("a metered transport is metered once")
	}
}

func TestWhatNobodyKnowsIsPassedOnAndNotRecorded(t *testing.T) {
	address, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, chat) })
	home := atHome(t, "http://127.0.0.1:1")
	_, _ = io.ReadAll(post(t, context.Background(), address).Body)
	expect(t, len(recorded(t, home)), 0)
}

func TestWhatLooksLikeAKeyIsWrittenDownNowhere(t *testing.T) {
	const key = "sk-test-0123456789abcdef0123"
	address, home := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"`+key+`","model":"gpt-4o"}`)
	})
	path := "/proxy/" + key + "/0123456789abcdef01234567/v1/chat/completions?key=" + key
	ctx := Attribute(context.Background(), Names{User: key})
	request, _ := http.NewRequestWithContext(ctx, http.MethodPost, address+path, strings.NewReader(`{"model":"`+key+`"}`))
	request.Header.Set("authorization", "Bearer "+key)
	response, err := Transport(nil).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(response.Body)
	found := recorded(t, home)
	text, _ := json.Marshal(found)
	expect(t, strings.Contains(string(text), "0123456789abcdef"), false)
	expect(t, found[0].Path, "/proxy/[key]/[key]/v1/chat/completions")
}

func TestInstrumentMetersTheDefaultTransport(t *testing.T) {
	address, home := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, chat) })
	before := http.DefaultTransport
	Instrument()
	Instrument() // twice is once
	response, err := http.Post(address+chatPath, "application/json", strings.NewReader(asked))
	Uninstrument()
	if err != nil || http.DefaultTransport != before {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(response.Body)
	expect(t, len(recorded(t, home)), 1)
}
