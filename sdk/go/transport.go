package farebox

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
)

type transport struct{ base http.RoundTripper }

// Transport returns a RoundTripper that meters the calls to known providers which go through base, or through
// http.DefaultTransport where base is nil. Requests, responses and errors are those of base; every byte is handed
// on as it comes.
func Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	if metered, ok := base.(*transport); ok {
		return metered
	}
	return &transport{base}
}

// Instrument meters every call of this process that goes through http.DefaultTransport.
func Instrument() {
	if !isDisabled() {
		http.DefaultTransport = Transport(http.DefaultTransport)
	}
}

// Uninstrument undoes Instrument; what is under way is metered to its end.
func Uninstrument() {
	if metered, ok := http.DefaultTransport.(*transport); ok {
		http.DefaultTransport = metered.base
	}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	var sent *http.Request
	var metered *exchange
	guarded("metering", func() { sent, metered = begin(request) })
	if sent == nil {
		sent = request
	}
	response, err := t.base.RoundTrip(sent)
	if metered == nil {
		return response, err
	}
	guarded("metering", func() {
		if err != nil {
			metered.failed(err)
			return
		}
		response.Request = request
		metered.response(response)
		if response.Body == nil || response.StatusCode == http.StatusSwitchingProtocols {
			metered.end("completed", "")
			return
		}
		response.Body = observed(response, metered)
	})
	return response, err
}

// CloseIdleConnections has http.Client.CloseIdleConnections reach the transport below.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// begin returns the request to send in place of this one, and what meters it; nil where it is nobody's to meter.
func begin(request *http.Request) (*http.Request, *exchange) {
	if isDisabled() {
		return nil, nil
	}
	ctx := request.Context()
	if isFarebox(request.URL.Hostname(), portOf(request)) { // which meters it by itself
		told := request.Clone(ctx)
		told.Header.Set("x-farebox-event-id", uuid7())
		for name, value := range around(ctx) {
			header := "x-farebox-" + strings.ReplaceAll(name, ".", "-")
			if told.Header.Get(header) == "" {
				told.Header.Set(header, inHeader(value))
			}
		}
		return told, nil
	}
	provider, base := providerAt(request.URL)
	if provider == "" || (request.Method != "POST" && request.Method != "PUT" && request.Method != "PATCH") {
		return nil, nil
	}
	if outer, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		outer.Lock()
		outer.delegated = true
		outer.Unlock()
	}
	metered := newExchange(ctx, provider, base, request)
	sent := request.WithContext(context.WithValue(ctx, exchangeKey{}, metered))
	if request.Body != nil && request.Body != http.NoBody {
		sent.Body = &requestBody{request.Body, metered}
		if request.GetBody != nil {
			sent.GetBody = func() (io.ReadCloser, error) {
				body, err := request.GetBody()
				if err != nil || body == http.NoBody {
					return body, err
				}
				metered.Lock()
				metered.request.reset()
				metered.Unlock()
				return &requestBody{body, metered}, nil
			}
		}
	}
	return sent, metered
}

func portOf(request *http.Request) string {
	if port := request.URL.Port(); port != "" {
		return port
	}
	if request.URL.Scheme == "http" {
		return "80"
	}
	return "443"
}

func inHeader(text string) string {
	return strings.Map(func(letter rune) rune {
		if letter < ' ' || letter > '~' {
			return '?'
		}
		return letter
	}, text)
}

type requestBody struct {
	io.ReadCloser
	metered *exchange
}

func (b *requestBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	if n > 0 {
		guarded("metering", func() {
			b.metered.Lock()
			defer b.metered.Unlock()
			b.metered.request.feed(into[:n])
		})
	}
	return n, err
}

// responseBody shows what is read to an exchange.
type responseBody struct {
	io.ReadCloser
	see  func(data []byte)
	end  func(how func())
	over sync.Once
	of   *exchange
}

func observed(response *http.Response, metered *exchange) io.ReadCloser {
	body := &responseBody{
		ReadCloser: response.Body, of: metered, see: metered.chunk, end: func(how func()) { how() },
	}
	var unpack func(io.Reader) (io.Reader, error)
	switch strings.ToLower(strings.TrimSpace(response.Header.Get("content-encoding"))) {
	case "gzip", "x-gzip":
		unpack = func(from io.Reader) (io.Reader, error) { return gzip.NewReader(from) }
	case "deflate":
		unpack = func(from io.Reader) (io.Reader, error) { return flate.NewReader(from), nil }
	}
	if unpack != nil {
		body.see, body.end = unpacked(metered, unpack)
	}
	return body
}

// unpacked returns what unpacks a copy of what passes, and what ends that.
func unpacked(metered *exchange, unpack func(io.Reader) (io.Reader, error)) (func([]byte), func(func())) {
	from, to := io.Pipe()
	done := make(chan struct{})
	metered.expected = -1
	go func() {
		defer close(done)
		guarded("metering", func() {
			plain, err := unpack(from)
			buffer := make([]byte, 32<<10)
			for err == nil {
				var n int
				if n, err = plain.Read(buffer); n > 0 {
					metered.chunk(buffer[:n])
				}
			}
		})
		_ = from.Close()
	}()
	see := func(data []byte) { _, _ = to.Write(data) }
	end := func(how func()) {
		_ = to.Close()
		<-done
		how()
	}
	return see, end
}

func (b *responseBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	guarded("metering", func() {
		if n > 0 {
			b.see(into[:n])
		}
		if err == io.EOF {
			b.finish(func() { b.of.end("completed", "") })
		} else if err != nil {
			b.finish(func() { b.of.failed(err) })
		}
	})
	return n, err
}

func (b *responseBody) Close() error {
	err := b.ReadCloser.Close()
	guarded("metering", func() { b.finish(b.of.left) })
	return err
}

func (b *responseBody) finish(how func()) {
	b.over.Do(func() { b.end(how) })
}
