// Renders what Grafana would send to Slack: annotations of alerts first, then a contact point's texts over them.
//
// Notification templates run on Alertmanager's engine and functions, of which Grafana has a copy. Upstream's data lacks
// what Grafana adds (SilenceURL, DashboardURL, Values), so the data here is Grafana's. Annotations run on text/template
// with `$labels`, `$values` and functions that Grafana takes from Prometheus; those that we use are below, and a
// template that uses another fails.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os"
	"regexp"
	"strings"
	"text/template"
	"time"

	alertmanager "github.com/prometheus/alertmanager/template"
)

// Since templates read them by these names, they are Grafana's.
type alert struct {
	Status       string
	Labels       alertmanager.KV
	Annotations  alertmanager.KV
	StartsAt     time.Time
	EndsAt       time.Time
	Values       map[string]float64
	SilenceURL   string
	DashboardURL string
}

type alerts []alert

func (all alerts) Firing() alerts   { return all.of("firing") }
func (all alerts) Resolved() alerts { return all.of("resolved") }

func (all alerts) of(status string) alerts {
	found := alerts{}
	for _, one := range all {
		if one.Status == status {
			found = append(found, one)
		}
	}
	return found
}

type data struct {
	Receiver, Status, ExternalURL                string
	Alerts                                       alerts
	GroupLabels, CommonLabels, CommonAnnotations alertmanager.KV
}

type question struct {
	Templates []string
	Texts     map[string]string
	Data      data
}

type value struct {
	Labels map[string]string
	Value  float64
}

var annotationFuncs = template.FuncMap{
	"reReplaceAll": func(pattern, replacement, text string) string {
		return regexp.MustCompile(pattern).ReplaceAllString(text, replacement)
	},
	"match": regexp.MatchString,
	"humanizeTimestamp": func(seconds float64) string {
		return fmt.Sprint(time.Unix(0, int64(seconds*1e9)).UTC())
	},
	"humanizeDuration": func(seconds float64) string {
		left := int64(math.Abs(seconds))
		text := ""
		for _, unit := range []struct {
			name string
			size int64
		}{{"d", 86400}, {"h", 3600}, {"m", 60}} {
			if left >= unit.size || text != "" {
				text += fmt.Sprintf("%d%s ", left/unit.size, unit.name)
				left %= unit.size
			}
		}
		return text + fmt.Sprintf("%ds", left)
	},
}

func annotated(one *alert) error {
	values := map[string]value{}
	for name, number := range one.Values {
		values[name] = value{Value: number}
	}
	for name, text := range one.Annotations {
		parsed, err := template.New(name).Funcs(annotationFuncs).Option("missingkey=invalid").Parse(
			"{{ $labels := .Labels }}{{ $values := .Values }}" + text)
		if err != nil {
			return err
		}
		var out strings.Builder
		err = parsed.Execute(&out, map[string]any{"Labels": one.Labels, "Values": values})
		if err != nil {
			return err
		}
		one.Annotations[name] = out.String()
	}
	return nil
}

// What all have in common, with the same value.
func common(all alerts, of func(alert) alertmanager.KV) alertmanager.KV {
	shared := alertmanager.KV{}
	for name, text := range of(all[0]) {
		shared[name] = text
		for _, one := range all {
			if other, found := of(one)[name]; !found || other != text {
				delete(shared, name)
			}
		}
	}
	return shared
}

func render(asked question) (map[string]any, error) {
	for i := range asked.Data.Alerts {
		if err := annotated(&asked.Data.Alerts[i]); err != nil {
			return nil, err
		}
	}
	engine, err := alertmanager.New()
	if err != nil {
		return nil, err
	}
	if engine.ExternalURL, err = url.Parse(asked.Data.ExternalURL); err != nil {
		return nil, err
	}
	for _, text := range asked.Templates {
		if err := engine.Parse(strings.NewReader(text)); err != nil {
			return nil, err
		}
	}
	if len(asked.Data.Alerts) > 0 {
		asked.Data.CommonLabels = common(asked.Data.Alerts, func(one alert) alertmanager.KV { return one.Labels })
		asked.Data.CommonAnnotations = common(
			asked.Data.Alerts, func(one alert) alertmanager.KV { return one.Annotations })
	}
	texts := map[string]string{}
	for name, text := range asked.Texts {
		if texts[name], err = engine.ExecuteTextString(text, asked.Data); err != nil {
			return nil, err
		}
	}
	return map[string]any{"alerts": asked.Data.Alerts, "texts": texts}, nil
}

func main() {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	answer, err := render(asked)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
