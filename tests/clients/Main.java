import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.IrisApi;
import org.openapitools.client.model.Feature;
import org.openapitools.client.model.FieldError;
import org.openapitools.client.model.ModelDescription;
import org.openapitools.client.model.PredictAnswer;
import org.openapitools.client.model.PredictRequest;
import org.openapitools.client.model.Prediction;
import org.openapitools.client.model.ProblemDetails;
import org.openapitools.client.model.RangeWarning;

/** What a user of the generated client writes: some calls, each with its answer or its problem. */
public final class Main {
  private interface Call {
    Object answer() throws ApiException;
  }

  private final ApiClient client = new ApiClient();
  private final IrisApi api;

  private Main(String url, String key) {
    client.updateBaseUri(url);
    if (key != null) {
      client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + key));
    }
    api = new IrisApi(client);
  }

  public static void main(String[] arguments) throws Exception {
    new Main(arguments[0], arguments.length > 1 ? arguments[1] : null).run();
  }

  private void run() throws Exception {
    Map<String, Object> named =
        Map.of("sepal_length", 6.2, "sepal_width", 2.9, "petal_length", 4.3, "petal_width", 1.3);
    Map<String, Object> bad = new HashMap<>(named);
    bad.put("petal_width", true);
    Map<String, Object> said = new LinkedHashMap<>();
    said.put("array", outcome(() -> predict(List.of(5.1, 3.5, 1.4, 0.2))));
    said.put("named", outcome(() -> predict(named)));
    said.put("outside", outcome(() -> predict(named, List.of(5.1, 3.5, 1.4, 13))));
    said.put("model", outcome(this::model));
    said.put("bad", outcome(() -> predict(named, bad)));
    System.out.println(client.getObjectMapper().writeValueAsString(said));
  }

  private Object predict(Object... instances) throws ApiException {
    PredictRequest request = new PredictRequest().instances(List.of(instances));
    PredictAnswer answer = api.predict(request, null, null);
    List<Object> predictions = new ArrayList<>();
    for (Prediction each : answer.getPredictions()) {
      Map<String, Double> probabilities = each.getProbabilities();
      predictions.add(
          Map.of(
              "label", each.getLabel(), "index", each.getIndex(), "probabilities", probabilities));
    }
    List<Object> outside = new ArrayList<>();
    if (answer.getWarnings() != null) {
      for (RangeWarning each : answer.getWarnings()) {
        outside.add(
            Map.of("row", each.getRow(), "field", each.getField(), "value", each.getValue()));
      }
    }
    String version = answer.getModel().getVersion();
    return Map.of("version", version, "predictions", predictions, "outside", outside);
  }

  private Object model() throws ApiException {
    ModelDescription model = api.model();
    List<String> names = new ArrayList<>();
    for (Feature feature : model.getFeatures()) {
      names.add(feature.getName());
    }
    Double maximum = model.getFeatures().get(0).getMaximum();
    List<List<Double>> golden = model.getGolden().getProbabilities();
    return Map.of(
        "version", model.getVersion(), "sha256", model.getSha256(), "labels", model.getLabels(),
        "names", names, "maximum", maximum, "golden", golden);
  }

  private Object outcome(Call call) throws Exception {
    try {
      return call.answer();
    } catch (ApiException error) {
      ProblemDetails problem =
          client.getObjectMapper().readValue(error.getResponseBody(), ProblemDetails.class);
      List<Object> faults = new ArrayList<>();
      for (FieldError each : problem.getErrors()) {
        faults.add(
            Map.of("row", each.getRow(), "field", each.getField(), "detail", each.getDetail()));
      }
      String header = error.getResponseHeaders().firstValue("X-Request-Id").orElse("");
      return Map.of(
          "type", problem.getType(), "title", problem.getTitle(), "status", problem.getStatus(),
          "detail", problem.getDetail(), "faults", faults,
          "requestId", problem.getRequestId(), "header", header);
    }
  }
}
