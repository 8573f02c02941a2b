using Microsoft.AspNetCore.Http;

namespace Portal.E2E.Peers.Servers;

/// <summary>The way to servers of this process without a socket: by the name of the host in the address. One that is away does not answer.</summary>
internal sealed class InProcess : HttpMessageHandler
{
    private readonly Dictionary<string, ContractServer> servers = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> away = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Told of each answer of success: the host, the path and the query.</summary>
    public Action<string, string, string>? Answered { get; set; }

    public void Add(string host, ContractServer server) => servers[host] = server;

    public void SetAway(string host, bool isAway) => _ = isAway ? away.Add(host) : away.Remove(host);

    public bool IsAway(string host) => away.Contains(host);

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var uri = request.RequestUri!;
        if (away.Contains(uri.Host))
        {
            throw new HttpRequestException("It is away.");
        }

        var http = new DefaultHttpContext { RequestAborted = cancellationToken };
        (http.Request.Method, http.Request.Path, http.Request.QueryString) = (request.Method.Method, Uri.UnescapeDataString(uri.AbsolutePath), new QueryString(uri.Query));
        if (request.Content is { } content)
        {
            var body = await content.ReadAsByteArrayAsync(cancellationToken);
            (http.Request.Body, http.Request.ContentLength, http.Request.ContentType) = (new MemoryStream(body), body.Length, content.Headers.ContentType?.MediaType);
        }

        using var answer = new MemoryStream();
        http.Response.Body = answer;
        await servers[uri.Host].AnswerAsync(http);
        var response = new HttpResponseMessage((System.Net.HttpStatusCode)http.Response.StatusCode) { Content = new ByteArrayContent(answer.ToArray()), RequestMessage = request };
        response.Headers.TryAddWithoutValidation("Date", http.Response.Headers.Date.ToString());
        response.Content.Headers.TryAddWithoutValidation("Content-Type", http.Response.ContentType);
        if (response.IsSuccessStatusCode)
        {
            Answered?.Invoke(uri.Host, uri.AbsolutePath, uri.Query);
        }

        return response;
    }
}
