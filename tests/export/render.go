// Renders a chat template as Ollama gives it messages and tools: the fields of its api package, and its one function.
package main

import (
	"bytes"
	"encoding/json"
	"os"
	"text/template"
)

type arguments map[string]any

type message struct {
	Role      string `json:"role"`
	Content   string `json:"content"`
	Thinking  string `json:"thinking"`
	ToolName  string `json:"tool_name"`
	ToolCalls []struct {
		Function struct {
			Name      string    `json:"name"`
			Arguments arguments `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

type tool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	} `json:"function"`
}

type job struct {
	Template string `json:"template"`
	Rows     []struct {
		Messages []*message `json:"messages"`
		Tools    []tool     `json:"tools"`
	} `json:"rows"`
}

func main() {
	var asked job
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	functions := template.FuncMap{"json": func(v any) string {
		b, _ := json.Marshal(v)
		return string(b)
	}}
	made, err := template.New("").Option("missingkey=zero").Funcs(functions).Parse(asked.Template)
	if err != nil {
		panic(err)
	}
	texts := []string{}
	for _, row := range asked.Rows {
		var written bytes.Buffer
		values := map[string]any{"System": "", "Messages": row.Messages, "Tools": row.Tools, "Response": ""}
		if err := made.Execute(&written, values); err != nil {
			panic(err)
		}
		texts = append(texts, written.String())
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(texts); err != nil {
		panic(err)
	}
}
