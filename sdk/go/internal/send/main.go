// Command send sends the calls that stand on standard input, a JSON line each, and tells what came back: for the
// suites that send one list of recordings with every SDK.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync"

	farebox "farebox.dev/farebox"
)

const lanes = 16

type call struct {
	Number      int
	URL, Method string
	Headers     map[string]string
	Body        []byte
}

func main() {
	var providers map[string]string
	must(json.Unmarshal([]byte(os.Args[1]), &providers))
	must(farebox.Configure(farebox.Settings{Providers: providers}))
	client := &http.Client{
		Transport:     farebox.Transport(nil),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	calls := make(chan call)
	var writing sync.Mutex
	var working sync.WaitGroup
	for lane := 0; lane < lanes; lane++ {
		working.Add(1)
		go func() {
			defer working.Done()
			for each := range calls {
				status, digest := send(client, each)
				writing.Lock()
				fmt.Printf("{\"number\":%d,\"status\":%d,\"digest\":%q}\n", each.Number, status, digest)
				writing.Unlock()
			}
		}()
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var each call
		must(json.Unmarshal(lines.Bytes(), &each))
		calls <- each
	}
	close(calls)
	working.Wait()
	must(farebox.Flush(context.Background()))
}

func send(client *http.Client, each call) (int, string) {
	ctx := farebox.Attribute(context.Background(), farebox.Names{Task: strconv.Itoa(each.Number)})
	request, err := http.NewRequestWithContext(ctx, each.Method, each.URL, bytes.NewReader(each.Body))
	must(err)
	for name, value := range each.Headers {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	must(err)
	defer response.Body.Close()
	hash := sha256.New()
	_, err = io.Copy(hash, response.Body)
	must(err)
	return response.StatusCode, hex.EncodeToString(hash.Sum(nil))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
