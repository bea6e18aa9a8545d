package farebox

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	backoff      = time.Second
	backoffMax   = time.Minute
	sendFor      = 30 * time.Second
	responseRead = 64 << 20
)

// recorder has events go to the home's spool, which the next Farebox command reads, or through a spool of the
// same kind to a collector.
type recorder struct {
	collector, token string
	interval         time.Duration
	spool            *spool
	client           *http.Client

	waking    sync.Mutex
	timer     *time.Timer
	sending   sync.Mutex
	failures  int
	notBefore time.Time
}

var (
	making sync.Mutex
	made   *recorder
)

// beginAnew has the next event make another recorder; what this one holds is finished.
func beginAnew() {
	making.Lock()
	before := made
	made = nil
	making.Unlock()
	if before == nil {
		return
	}
	_ = before.spool.rotate()
	if before.spool.hasWaiting() { // what the disk refused goes where the next events go
		theRecorder().spool.takeOver(before.spool)
	}
}

func theRecorder() *recorder {
	making.Lock()
	defer making.Unlock()
	if made == nil {
		given := current()
		made = &recorder{collector: collectorAddress(), token: collectorToken(), interval: given.FlushInterval}
		if made.interval == 0 {
			made.interval = time.Second
		}
		folder := []string{"spool"}
		if made.collector != "" {
			folder = []string{"collectors", "go-" + digest(made.collector + "\x00" + made.token)[:16]}
			base := http.DefaultTransport
			if metered, ok := base.(*transport); ok {
				base = metered.base
			}
			made.client = &http.Client{
				Transport: base, Timeout: sendFor,
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			}
		}
		made.spool = newSpool(homeFolder(), given.SpoolBytes, folder...)
	}
	return made
}

func record(event map[string]any) {
	if isDisabled() {
		return
	}
	to := theRecorder()
	if err := to.spool.append(event); err != nil {
		report(err, "storing events")
	}
	to.later(to.interval)
}

// Flush returns once what was recorded is where it belongs, or with the reason why it is not. Call it before the
// program ends: nothing is lost without, but a collector gets the last events from the next run.
func Flush(ctx context.Context) error {
	making.Lock()
	of := made
	making.Unlock()
	if of == nil {
		return nil
	}
	if err := of.spool.rotate(); err != nil {
		return err
	}
	if of.collector == "" {
		return nil
	}
	return of.send(ctx)
}

func (r *recorder) later(after time.Duration) {
	r.waking.Lock()
	defer r.waking.Unlock()
	if r.timer == nil {
		r.timer = time.AfterFunc(after, r.wake)
	}
}

func (r *recorder) wake() {
	r.waking.Lock()
	r.timer = nil
	r.waking.Unlock()
	guarded("sending", func() {
		if err := r.spool.rotate(); err != nil {
			report(err, "storing events")
		}
		if r.collector == "" {
			if r.spool.hasWaiting() {
				r.later(backoff)
			}
			return
		}
		r.sending.Lock()
		wait := time.Until(r.notBefore)
		r.sending.Unlock()
		if wait <= 0 && r.send(context.Background()) == nil {
			return
		}
		if wait < r.interval {
			wait = r.interval
		}
		r.later(wait)
	})
}

// send sends the finished files one after the other.
func (r *recorder) send(ctx context.Context) error {
	r.sending.Lock()
	defer r.sending.Unlock()
	for _, path := range r.spool.finished() {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // another process has sent it
		}
		var after time.Duration
		if err == nil {
			after, err = r.sendLines(ctx, bytes.Split(bytes.TrimSpace(text), []byte("\n")))
		}
		if err != nil {
			report(err, "sending to the collector")
			r.failures++
			longest := backoffMax
			if r.failures < 7 {
				longest = backoff << (r.failures - 1)
			}
			wait := longest/2 + time.Duration(rand.Int63n(int64(longest/2)))
			if after > wait {
				wait = after
			}
			r.notBefore = time.Now().Add(wait)
			return err
		}
		_ = os.Remove(path)
	}
	r.failures = 0
	return nil
}

func (r *recorder) sendLines(ctx context.Context, lines [][]byte) (time.Duration, error) {
	if len(lines) == 0 || len(lines[0]) == 0 {
		return 0, nil
	}
	var body bytes.Buffer
	packer, _ := gzip.NewWriterLevel(&body, gzip.BestSpeed)
	_, _ = packer.Write(bytes.Join(lines, []byte("\n")))
	_ = packer.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.collector+"/v1/events", &body)
	if err != nil {
		return 0, err
	}
	request.Header.Set("content-type", "application/x-ndjson")
	request.Header.Set("content-encoding", "gzip")
	request.Header.Set("user-agent", "farebox-go/"+version)
	if r.token != "" {
		request.Header.Set("authorization", "Bearer "+r.token)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, responseRead))
	if err != nil {
		return 0, err
	}
	switch status := response.StatusCode; {
	case status >= 200 && status < 300:
		return 0, judged(text, len(lines))
	case status == 400 || status == 413 || status == 415 || status == 422:
		if len(lines) == 1 {
			report(fmt.Errorf("status %d: %.200s", status, text), "the collector refused an event")
			return 0, nil
		}
		half := len(lines) / 2
		if after, err := r.sendLines(ctx, lines[:half]); err != nil {
			return after, err
		}
		return r.sendLines(ctx, lines[half:])
	default:
		hint := ""
		if status == 401 || status == 403 {
			hint = "; make a token there with: farebox tokens create go --scope ingest"
		}
		seconds, _ := strconv.Atoi(response.Header.Get("retry-after"))
		if seconds > 3600 {
			seconds = 3600
		}
		return time.Duration(seconds) * time.Second, fmt.Errorf("%s responds with status %d%s", r.collector, status, hint)
	}
}

// judged reports the events that a collector has refused for good.
func judged(text []byte, sent int) error {
	var told struct {
		Items []struct{ Status, Field, Reason string }
	}
	if json.Unmarshal(text, &told) != nil || len(told.Items) != sent {
		return errors.New("this is no Farebox collector")
	}
	for _, item := range told.Items {
		if item.Status == "invalid" || item.Status == "conflict" {
			report(fmt.Errorf("%s: %s %s", item.Status, item.Field, item.Reason), "the collector refused an event")
		}
	}
	return nil
}
