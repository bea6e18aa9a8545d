import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** An ordinary program: a JSON call and a streamed one with Java's own client. */
public class Client {
  public static void main(String[] arguments) throws Exception {
    HttpClient client = HttpClient.newHttpClient();
    for (String stream : new String[] {"false", "true"}) {
      String body =
          "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":" + stream + "}";
      HttpRequest request =
          HttpRequest.newBuilder(URI.create("https://api.openai.com/v1/chat/completions"))
              .header("Content-Type", "application/json")
              .header("Authorization", "Bearer " + System.getenv("OPENAI_API_KEY"))
              .POST(HttpRequest.BodyPublishers.ofString(body))
              .build();
      client.send(request, HttpResponse.BodyHandlers.ofLines()).body().forEach(System.out::println);
    }
  }
}
