package farebox

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRecordOutcomeScoreAndTrackAreAnEventEach(t *testing.T) {
	home := atHome(t, "http://127.0.0.1:1")
	ctx := Attribute(context.Background(), Names{Task: "t-1"})
	if _, err := Record(ctx, Call{Provider: "openai", Model: "gpt-4o", Usage: map[string]int{"input_uncached": 9}, EventID: "order-17"}); err != nil {
		t.Fatal(err)
	}
	_, _ = Outcome(ctx, Result{Name: "lead.qualified", Value: "40.00"})
	_, _ = Score(ctx, Result{Name: "faithfulness", Value: "0.92", Names: Names{Task: "t-2"}})
	_, _ = Track(ctx, "openai", "gpt-4o", []byte(chat), Names{Customer: "acme"})
	found := recorded(t, home)
	expect(t, []string{found[0].ID, string(found[0].Usage), found[0].Task}, []string{"order-17", `{"input_uncached":9}`, "t-1"})
	expect(t, []string{found[1].Type, found[1].Name, found[1].Value}, []string{"outcome", "lead.qualified", "40.00"})
	expect(t, []string{found[2].Type, found[2].Value, found[2].Task}, []string{"score", "0.92", "t-2"})
	expect(t, strings.Contains(found[3].Excerpt.Response, `"usage":`), true)
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	atHome(t, "http://127.0.0.1:1")
	ctx := context.Background()
	for _, err := range []error{
		second(Record(ctx, Call{Provider: "Open AI", Model: "m", Usage: map[string]int{"input_uncached": 1}})),
		second(Record(ctx, Call{Provider: "openai", Model: "m", Usage: 7})),
		second(Outcome(ctx, Result{})),
		second(Score(ctx, Result{Name: "n", Value: "good"})),
		Configure(Settings{Collector: "http://farebox.example.com"}),
	} {
		if err == nil {
			t.Error("this was taken")
		}
	}
}

func second(_ string, err error) error { return err }

func TestEventsGoToTheCollectorAndAgainUntilItHasTakenThem(t *testing.T) {
	var batches [][]string
	var token string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		packed, _ := gzip.NewReader(request.Body)
		text, _ := io.ReadAll(packed)
		token = request.Header.Get("authorization")
		var names, items []string
		for _, line := range bytes.Split(text, []byte("\n")) {
			var each event
			_ = json.Unmarshal(line, &each)
			names = append(names, each.Name)
			items = append(items, `{"status":"accepted"}`)
		}
		batches = append(batches, names)
		if len(batches) == 1 {
			w.WriteHeader(503)
		} else if names[len(names)-1] == "bad" {
			w.WriteHeader(413)
		} else {
			_, _ = io.WriteString(w, `{"items":[`+strings.Join(items, ",")+`]}`)
		}
	}))
	defer server.Close()
	home := t.TempDir()
	_ = os.Chmod(home, 0o700)
	configure(t, Settings{Home: home, Collector: server.URL, Token: "fbx_ingest_1", FlushInterval: 1 << 40})
	ctx := context.Background()
	_, _ = Outcome(ctx, Result{Name: "one"})
	if Flush(ctx) == nil {
		t.Error("the collector has not taken it")
	}
	_, _ = Outcome(ctx, Result{Name: "two"})
	_, _ = Outcome(ctx, Result{Name: "bad"})
	if err := Flush(ctx); err != nil {
		t.Error(err)
	}
	expect(t, batches, [][]string{{"one"}, {"one"}, {"two", "bad"}, {"two"}, {"bad"}})
	expect(t, token, "Bearer fbx_ingest_1")
	files, _ := filepath.Glob(filepath.Join(home, "collectors", "*", "*"))
	expect(t, len(files), 0)
}

func TestAHomeThatOthersCanReadIsNotWrittenToAndWhatWasRecordedWaits(t *testing.T) {
	home := atHome(t, "http://127.0.0.1:1")
	_ = os.Chmod(home, 0o755)
	_, _ = Outcome(context.Background(), Result{Name: "kept"})
	if err := Flush(context.Background()); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Error(err)
	}
	_ = os.Chmod(home, 0o700)
	expect(t, recorded(t, home)[0].Name, "kept")
}

func TestAFullSpoolLosesEventsAndSaysHowManyOnceThereIsRoom(t *testing.T) {
	home := atHome(t, "http://127.0.0.1:1")
	configure(t, Settings{Home: home, Collector: "none", SpoolBytes: 2000, OnError: func(error, string) {}})
	for number := 0; number < 12000; number++ { // 4 MiB wait in memory
		_, _ = Outcome(context.Background(), Result{Name: strings.Repeat("x", 128)})
	}
	configure(t, Settings{Home: home, Collector: "none"})
	_, _ = Outcome(context.Background(), Result{Name: "last"})
	outcomes, lost := 0, 0
	for _, each := range recorded(t, home) {
		if each.Type == "loss" {
			lost += each.Records
		} else {
			outcomes++
		}
	}
	if lost == 0 || outcomes+lost != 12001 {
		t.Errorf("%d and %d lost", outcomes, lost)
	}
}
