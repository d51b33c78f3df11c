<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ja_JP">
<context>
    <name>AnswerView</name>
    <message>
        <source>Copied</source>
        <translation>コピーしました</translation>
    </message>
    <message>
        <source>Answer</source>
        <translation>回答</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>コピー</translation>
    </message>
    <message>
        <source>Copy the answer</source>
        <translation>回答をコピー</translation>
    </message>
    <message>
        <source>Ask again</source>
        <translation>もう一度質問</translation>
    </message>
    <message>
        <source>Reading the question: {done} of {total} tokens</source>
        <translation>質問を読み込み中：{done} / {total} トークン</translation>
    </message>
    <message>
        <source>1 token</source>
        <translation>1 トークン</translation>
    </message>
    <message>
        <source>{count} tokens</source>
        <translation>{count} トークン</translation>
    </message>
    <message>
        <source>{speed} tok/s</source>
        <translation>{speed} トークン/秒</translation>
    </message>
    <message>
        <source>complete</source>
        <translation>完了</translation>
    </message>
    <message>
        <source>stopped</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>not finished</source>
        <translation>中断</translation>
    </message>
    <message>
        <source>cut off at its length limit</source>
        <translation>長さの上限で終了</translation>
    </message>
</context>
<context>
    <name>AskPage</name>
    <message>
        <source>For reference only. Decisions on diagnosis and prescription are the physician&apos;s, after checking primary sources.</source>
        <translation>参考情報です。診断・処方の判断は、一次資料を確認のうえ医師が行ってください。</translation>
    </message>
    <message>
        <source>Demonstration model: not for clinical use. It knows only a small set of textbook facts, and what it answers to any other question can be wrong.</source>
        <translation>デモ用モデルです。臨床では使用しないでください。収録済みの限られた教科書的事項のほかは、誤った回答をすることがあります。</translation>
    </message>
    <message>
        <source>Conversation</source>
        <translation>やり取り</translation>
    </message>
    <message>
        <source>New question</source>
        <translation>新しい質問</translation>
    </message>
    <message>
        <source>The question could not be saved, so it was not asked. Make room on the disk and try again.</source>
        <translation>質問を保存できなかったため、送信していません。ディスクの空き容量を確保して、もう一度送信してください。</translation>
    </message>
    <message>
        <source>The history could not be read or written. What was saved before is kept.</source>
        <translation>履歴の読み書きができませんでした。保存済みの内容は失われていません。</translation>
    </message>
    <message>
        <source>Details: {message}</source>
        <translation>詳細：{message}</translation>
    </message>
    <message>
        <source>You can write already. The engine is starting.</source>
        <translation>エンジンを起動しています。入力は始められます。</translation>
    </message>
    <message>
        <source>You can write already. The model is loading: {percent} %</source>
        <translation>モデルを読み込んでいます（{percent} %）。入力は始められます。</translation>
    </message>
    <message>
        <source>No model is loaded. The reason is shown above.</source>
        <translation>モデルが読み込まれていません。理由は上に表示しています。</translation>
    </message>
</context>
<context>
    <name>Composer</name>
    <message>
        <source>Write a question</source>
        <translation>質問を入力</translation>
    </message>
    <message>
        <source>Question</source>
        <translation>質問</translation>
    </message>
    <message>
        <source>Send</source>
        <translation>送信</translation>
    </message>
    <message>
        <source>Send the question</source>
        <translation>質問を送信</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Stop the answer</source>
        <translation>回答を停止</translation>
    </message>
    <message>
        <source>A question has at most {count} characters.</source>
        <translation>質問は {count} 文字以内で入力してください。</translation>
    </message>
    <message>
        <source>Enter sends, Shift+Enter breaks the line</source>
        <translation>Enter で送信、Shift+Enter で改行</translation>
    </message>
    <message>
        <source>Answering… Esc stops.</source>
        <translation>回答中です。Esc で停止します。</translation>
    </message>
</context>
<context>
    <name>EmptyState</name>
    <message>
        <source>What would you like to know?</source>
        <translation>何をお調べですか？</translation>
    </message>
    <message>
        <source>The loaded model can answer these questions, among others:</source>
        <translation>使用中のモデルは、次のような質問に答えられます。</translation>
    </message>
</context>
<context>
    <name>EngineNotice</name>
    <message>
        <source>Restart</source>
        <translation>再起動</translation>
    </message>
    <message>
        <source>Starting the engine…</source>
        <translation>エンジンを起動しています…</translation>
    </message>
    <message>
        <source>Loading {model}: {percent} %</source>
        <translation>{model} を読み込んでいます：{percent} %</translation>
    </message>
    <message>
        <source>the model</source>
        <translation>モデル</translation>
    </message>
</context>
<context>
    <name>Failure</name>
    <message>
        <source>Not enough memory: the model needs {needed} GB, and {free} GB are free. Close other programs and try again.</source>
        <translation>メモリが不足しています。モデルには {needed} GB 必要ですが、空きは {free} GB です。ほかのプログラムを終了して、もう一度お試しください。</translation>
    </message>
    <message>
        <source>The engine did not understand the request. Restart it and ask again.</source>
        <translation>エンジンが要求を処理できませんでした。再起動して、もう一度質問してください。</translation>
    </message>
    <message>
        <source>No model is loaded. Restart the engine to load it again.</source>
        <translation>モデルが読み込まれていません。エンジンを再起動すると、もう一度読み込みます。</translation>
    </message>
    <message>
        <source>The model file cannot be used: it is damaged or of an unknown kind. Ask your administrator to import it again.</source>
        <translation>モデルファイルを使用できません。破損しているか、対応していない形式です。管理者に再取り込みを依頼してください。</translation>
    </message>
    <message>
        <source>The engine ended while loading the model file, which may be damaged. Try again; if it happens again, ask your administrator to import the file again.</source>
        <translation>モデルファイルの読み込み中にエンジンが終了しました。ファイルが破損している可能性があります。もう一度試しても解決しない場合は、管理者に再取り込みを依頼してください。</translation>
    </message>
    <message>
        <source>There is no model file. Ask your administrator to import one.</source>
        <translation>モデルファイルがありません。管理者に取り込みを依頼してください。</translation>
    </message>
    <message>
        <source>The model file is not the one that was checked: it was changed or is incomplete. Ask your administrator to import it again.</source>
        <translation>モデルファイルが、確認済みのものと一致しません。変更されたか、不完全です。管理者に再度取り込みを依頼してください。</translation>
    </message>
    <message>
        <source>The chosen model is not approved for use on this PC, or not any more. Ask your administrator to approve it or to choose another one.</source>
        <translation>選択されているモデルは、この PC での使用が承認されていないか、再承認が必要です。管理者に、承認または別のモデルの選択を依頼してください。</translation>
    </message>
    <message>
        <source>There is not enough memory. Close other programs and try again.</source>
        <translation>メモリが不足しています。ほかのプログラムを終了して、もう一度お試しください。</translation>
    </message>
    <message>
        <source>The model file does not say correctly how questions are put to it. Ask your administrator for a corrected file.</source>
        <translation>モデルファイルのチャットテンプレートが正しくありません。管理者に修正済みのファイルを依頼してください。</translation>
    </message>
    <message>
        <source>The question is longer than the model can read. Shorten it, or begin a new question.</source>
        <translation>質問がモデルの扱える長さを超えています。短くするか、新しい質問として入力してください。</translation>
    </message>
    <message>
        <source>The engine could not finish the answer. Ask again.</source>
        <translation>回答を最後まで作成できませんでした。もう一度質問してください。</translation>
    </message>
    <message>
        <source>The answer was stopped.</source>
        <translation>回答を停止しました。</translation>
    </message>
    <message>
        <source>The engine ended unexpectedly. What was written so far is saved. Try again.</source>
        <translation>エンジンが予期せず終了しました。ここまでの内容は保存されています。もう一度お試しください。</translation>
    </message>
    <message>
        <source>The engine no longer responded and was ended. What was written so far is saved. Ask again.</source>
        <translation>エンジンが応答しなくなったため終了しました。ここまでの内容は保存されています。もう一度質問してください。</translation>
    </message>
    <message>
        <source>The engine cannot be started on this PC. Ask your administrator to run “inro doctor”.</source>
        <translation>この PC ではエンジンを起動できません。管理者に「inro doctor」の実行を依頼してください。</translation>
    </message>
</context>
<context>
    <name>History</name>
    <message>
        <source>Today</source>
        <translation>今日</translation>
    </message>
    <message>
        <source>Yesterday</source>
        <translation>昨日</translation>
    </message>
    <message>
        <source>d MMMM yyyy</source>
        <comment>a date as QLocale writes it</comment>
        <translation>yyyy年M月d日</translation>
    </message>
</context>
<context>
    <name>HistoryView</name>
    <message>
        <source>Earlier questions</source>
        <translation>質問の履歴</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>Ask</source>
        <translation>質問</translation>
    </message>
</context>
<context>
    <name>QuestionView</name>
    <message>
        <source>Your question</source>
        <translation>あなたの質問</translation>
    </message>
</context>
<context>
    <name>SideBar</name>
    <message>
        <source>New question</source>
        <translation>新しい質問</translation>
    </message>
    <message>
        <source>Language of the interface</source>
        <translation>表示言語</translation>
    </message>
</context>
<context>
    <name>StatusLine</name>
    <message>
        <source>{speed} tok/s</source>
        <translation>{speed} トークン/秒</translation>
    </message>
    <message>
        <source>Checking connections…</source>
        <translation>通信を確認しています…</translation>
    </message>
    <message>
        <source>Offline · 0 connections</source>
        <translation>オフライン · 通信 0</translation>
    </message>
    <message>
        <source>1 connection open</source>
        <translation>通信あり · 1 件</translation>
    </message>
    <message>
        <source>{count} connections open</source>
        <translation>通信あり · {count} 件</translation>
    </message>
    <message>
        <source>Inro needs no network. Tell your administrator.</source>
        <translation>Inro は通信を必要としません。管理者に連絡してください。</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>{model} · starting the engine…</source>
        <translation>{model} · エンジン起動中…</translation>
    </message>
    <message>
        <source>{model} · loading {percent} %</source>
        <translation>{model} · 読み込み中 {percent} %</translation>
    </message>
    <message>
        <source>{model} · not available</source>
        <translation>{model} · 使用できません</translation>
    </message>
    <message>
        <source>{model} · ready</source>
        <translation>{model} · 準備完了</translation>
    </message>
    <message>
        <source>Memory {amount}</source>
        <translation>メモリ {amount}</translation>
    </message>
    <message>
        <source>1 thread</source>
        <translation>CPU 1 スレッド</translation>
    </message>
    <message>
        <source>{count} threads</source>
        <translation>CPU {count} スレッド</translation>
    </message>
</context>
</TS>
