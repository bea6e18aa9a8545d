package farebox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// exchange is one metered request, from before its first byte to the end of its response.
type exchange struct {
	sync.Mutex
	id, provider, method, path string
	address                    *url.URL
	fields                     map[string]any
	attempt                    int
	startedAt, firstByte       time.Time
	request                    requestExcerpt
	body                       *bodyExcerpt
	status                     int
	headers                    map[string]string
	size, expected             int64
	delegated, ended           bool // delegated: a transport below meters it
	unreached                  bool // the provider received nothing
}

type exchangeKey struct{}

func newExchange(ctx context.Context, provider, base string, request *http.Request) *exchange {
	attempt, err := strconv.Atoi(request.Header.Get("x-stainless-retry-count"))
	if err != nil || attempt < 0 || attempt > 999 {
		attempt = 0
	}
	path := strings.TrimPrefix(request.URL.EscapedPath(), base)
	if path == "" {
		path = "/"
	}
	return &exchange{
		id: uuid7(), provider: provider, method: request.Method, path: path, address: request.URL,
		fields: fieldsOf(ctx, Names{}), attempt: attempt, startedAt: time.Now(), headers: map[string]string{},
		request: requestExcerpt{json: newJSONExcerpt(requestTree)}, expected: -1,
	}
}

func (e *exchange) response(response *http.Response) {
	e.Lock()
	defer e.Unlock()
	e.status = response.StatusCode
	for _, name := range headersKept {
		if value := response.Header.Get(name); value != "" {
			if len(value) > 256 {
				value = value[:256]
			}
			e.headers[name] = withoutKeys(value)
		}
	}
	e.expected = response.ContentLength
	e.body = newBodyExcerpt(e.headers["content-type"])
}

// chunk takes in a piece of the response's body.
func (e *exchange) chunk(data []byte) {
	e.Lock()
	defer e.Unlock()
	if e.firstByte.IsZero() {
		e.firstByte = time.Now()
	}
	e.size += int64(len(data))
	if e.body != nil {
		e.body.feed(data)
	}
}

// left notes that the program reads no further.
func (e *exchange) left() {
	e.Lock()
	isWhole := e.size == e.expected || (e.body != nil && e.body.saidAll())
	e.Unlock()
	if isWhole {
		e.end("completed", "")
	} else {
		e.end("client_disconnected", "client_disconnected")
	}
}

// failed notes that there is no response, or no more of it.
func (e *exchange) failed(err error) {
	var dns *net.DNSError
	var network *net.OpError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		e.end("client_disconnected", "client_disconnected")
	case errors.As(err, &dns):
		e.notSent("dns_failed")
	case errors.As(err, &network) && network.Op == "dial":
		e.notSent("connect_failed")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.end("timed_out", "first_byte_timeout")
	default:
		e.end("upstream_failed", "upstream_reset")
	}
}

func (e *exchange) notSent(errorClass string) {
	e.Lock()
	e.unreached = true
	e.Unlock()
	e.end("upstream_failed", errorClass)
}

func (e *exchange) end(outcome, errorClass string) {
	e.Lock()
	isOurs := !e.ended && !e.delegated
	e.ended = true
	e.Unlock()
	if isOurs {
		guarded("metering", func() { record(e.event(outcome, errorClass)) })
	}
}

func (e *exchange) event(outcome, errorClass string) map[string]any {
	e.Lock()
	defer e.Unlock()
	now := time.Now()
	excerpt := map[string]any{"request": withoutKeys(e.request.text(e.address)), "headers": e.headers}
	if e.body != nil {
		text, encoded := e.body.finish()
		if text != "" {
			excerpt["response"] = withoutKeys(text)
		}
		if encoded != "" {
			excerpt["response_base64"] = encoded
		}
	}
	event := e.fields
	for name, value := range map[string]any{
		"id": e.id, "source": source(), "time": moment(e.startedAt), "provider": e.provider, "method": e.method,
		"path": pathWithoutKeys(e.path), "host": e.address.Host, "status": e.status, "outcome": outcome, "attempt": e.attempt,
		"total_us": now.Sub(e.startedAt).Microseconds(), "request_bytes": e.request.size, "response_bytes": e.size,
		"witness": "sdk", "excerpt": excerpt,
	} {
		event[name] = value
	}
	if !e.firstByte.IsZero() {
		event["first_byte_us"] = e.firstByte.Sub(e.startedAt).Microseconds()
	}
	if errorClass != "" {
		event["error_class"] = errorClass
	}
	if e.unreached {
		event["billable"] = false
	}
	return event
}

const formBytes = 64 << 10

var formModel = regexp.MustCompile(`(?i)name="?model"?[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]{1,256})\r\n--`)

// requestExcerpt holds of a request which model, streamed or not, limits. Its words are never kept.
type requestExcerpt struct {
	json  *jsonExcerpt
	size  int64
	first byte
	form  []byte
}

func (r *requestExcerpt) feed(data []byte) {
	if r.size == 0 && len(data) > 0 {
		r.first = data[0]
	}
	r.size += int64(len(data))
	if r.first != '-' {
		r.json.feed(data)
	} else if len(r.form) < formBytes {
		r.form = append(r.form, data...)
	}
}

func (r *requestExcerpt) reset() {
	r.json.reset()
	r.size, r.form = 0, nil
}

func (r *requestExcerpt) text(address *url.URL) string {
	said := "{}"
	if r.json.done && len(r.json.out) > 0 && r.json.out[0] == '{' {
		said = string(r.json.out)
	}
	if strings.Contains(said, `"model":`) {
		return said
	}
	model := address.Query().Get("model")
	if found := formModel.FindSubmatch(r.form); found != nil {
		model = string(found[1])
	}
	if model == "" {
		return said
	}
	if len(model) > 256 {
		model = model[:256]
	}
	name, _ := json.Marshal(model)
	if said == "{}" {
		return fmt.Sprintf(`{"model":%s}`, name)
	}
	return fmt.Sprintf(`{"model":%s,%s`, name, said[1:])
}
