// Asks the snippets of WEBHOOKS.md about the deliveries on standard input and prints one verdict a line (see drive.mjs).
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"receiver/webhook"
)

func decoded(text string) []byte {
	bytes, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return bytes
}

func verdict(line string) (answer string) {
	defer func() {
		if reason := recover(); reason != nil {
			answer = fmt.Sprintf("crashed: %v", reason)
		}
	}()
	fields := strings.Split(line, "\t")
	body, key := decoded(fields[1]), string(decoded(fields[3]))
	header := http.Header{}
	for _, one := range strings.Split(string(decoded(fields[2])), "\n") {
		if name, value, found := strings.Cut(one, ": "); found {
			header.Set(name, value)
		}
	}
	seconds, err := strconv.ParseInt(fields[4], 10, 64)
	if err != nil {
		panic(err)
	}
	if fields[0] == "standard" {
		err = webhook.Verify(body, header, key, time.Unix(seconds, 0))
	} else {
		err = webhook.VerifyPingpp(body, header, key)
	}
	if err != nil {
		return "refused: " + err.Error()
	}
	return "accepted"
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Println(verdict(lines.Text()))
	}
}
